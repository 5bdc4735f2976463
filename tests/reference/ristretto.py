"""Ristretto255 (RFC 9496) in plain Python: slow, clear, and written from the RFC alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]
"""Extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z."""

IDENTITY: Point = (0, 1, 1, 0)


def negative(x: int) -> bool:
    return x % P % 2 == 1


def absolute(x: int) -> int:
    return -x % P if negative(x) else x % P


def sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """(u/v is a square, the non-negative root of it or of i·u/v)."""
    r = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    check = v * r * r % P
    if check in ((-u) % P, -u * SQRT_M1 % P):
        r = r * SQRT_M1 % P
    return check in (u % P, -u % P), absolute(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, (-1 - D) % P)[1]
# The RFC's constant is the negative root here.
SQRT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235


def add(a: Point, b: Point) -> Point:
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    low, high = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * D * t1 * t2, 2 * z1 * z2
    e, f, g, h = high - low, d - c, d + c, high + low
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    for bit in f"{scalar % ORDER:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def combine(terms: Iterable[tuple[int, Point]]) -> Point:
    total = IDENTITY
    for scalar, point in terms:
        total = add(total, multiply(scalar, point))
    return total


def equal(a: Point, b: Point) -> bool:
    return (a[0] * b[1] - a[1] * b[0]) % P == 0 or (a[1] * b[1] - a[0] * b[0]) % P == 0


def decode(encoded: bytes) -> Point:
    """RFC 9496 §4.3.1. Raises ValueError for anything but a canonical encoding."""
    s = int.from_bytes(encoded, "little")
    if len(encoded) != 32 or s >= P or negative(s):
        raise ValueError("not canonical")
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-(D * u1 * u1) - u2 * u2) % P
    square, inverse = sqrt_ratio(1, v * u2 * u2 % P)
    den_x = inverse * u2 % P
    x = absolute(2 * s * den_x)
    y = u1 * inverse * den_x * v % P
    if not square or negative(x * y) or y == 0:
        raise ValueError("not a point")
    return x, y, 1, x * y % P


def encode(point: Point) -> bytes:
    """RFC 9496 §4.3.2."""
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % P, x0 * y0 % P
    _, inverse = sqrt_ratio(1, u1 * u2 * u2 % P)
    den1, den2 = inverse * u1 % P, inverse * u2 % P
    z_inverse = den1 * den2 * t0 % P
    x, y, den_inverse = x0, y0, den2
    if negative(t0 * z_inverse):
        x, y, den_inverse = y0 * SQRT_M1 % P, x0 * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    if negative(x * z_inverse):
        y = -y % P
    return absolute(den_inverse * (z0 - y)).to_bytes(32, "little")


def _map(t: int) -> Point:
    """The map of §4.3.4, from a field element to the group."""
    r = SQRT_M1 * t * t % P
    u = (r + 1) * (1 - D * D) % P
    v = (-1 - r * D) * (r + D) % P
    square, s = sqrt_ratio(u, v)
    c = -1
    if not square:
        s, c = -absolute(s * t) % P, r
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1 = 2 * s * v % P, n * SQRT_AD_MINUS_ONE % P
    w2, w3 = (1 - s * s) % P, (1 + s * s) % P
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def from_uniform(uniform: bytes) -> Point:
    """The group element that 64 uniform bytes are hashed to."""
    halves = (int.from_bytes(half, "little") % 2**255 for half in (uniform[:32], uniform[32:]))
    first, second = (_map(half % P) for half in halves)
    return add(first, second)


BASE = decode(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))
BLINDING_BASE = from_uniform(hashlib.sha3_512(encode(BASE)).digest())


def generators(side: bytes, count: int) -> list[Point]:
    """The first generators of party 0, `side` b"G" or b"H"."""
    stream = hashlib.shake_256(b"GeneratorsChain" + side + bytes(4)).digest(64 * count)
    return [from_uniform(chunk) for chunk in islice(_chunks(stream, 64), count)]


def _chunks(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[i : i + size] for i in range(0, len(stream), size))
