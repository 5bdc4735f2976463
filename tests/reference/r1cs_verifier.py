"""A second, independent verifier of constraint proofs: plain Python, equation by equation, no batching.

It shares nothing with the Rust core but the format: the tape is read anew, the group, the transcript and the
generators are `ristretto` and `merlin` beside this file, the polynomial equation and the inner product are checked
apart, and generators are folded round by round as in the paper.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from merlin import Transcript
from ristretto import (
    BASE,
    BLINDING_BASE,
    IDENTITY,
    ORDER,
    Point,
    add,
    combine,
    decode,
    encode,
    equal,
    generators,
    multiply,
)

ONE, COMMITTED, LEFT, RIGHT, OUTPUT = range(5)
Wire = tuple[int, int]
Linear = dict[Wire, int]


class Refused(Exception):
    """The proof does not hold."""


@dataclass
class Reader:
    """Bytes, from the front."""

    rest: bytes

    def take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise Refused("too short")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def integer(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def scalar(self) -> int:
        value = self.integer(32)
        if value >= ORDER:
            raise Refused("scalar not canonical")
        return value

    def point(self) -> bytes:
        encoded = self.take(32)
        if encoded == bytes(32):
            raise Refused("identity")
        return encoded

    def linear(self) -> Linear:
        terms: Linear = defaultdict(int)
        for _ in range(self.integer(2)):
            wire = (self.integer(1), self.integer(4))
            terms[wire] += self.scalar()
        return terms


@dataclass
class Circuit:
    """The constraints that a tape comes to."""

    transcript: Transcript
    constraints: list[Linear] = field(default_factory=list)
    absorbed: list[bytes] = field(default_factory=list)
    multipliers: int = 0
    half: int | None = None
    trees: list[list[Linear | int]] = field(default_factory=list)

    def read(self, tape: bytes, commitments: Sequence[bytes]) -> None:
        self.transcript.append_message(b"dom-sep", b"r1cs v1")
        reader = Reader(tape)
        while reader.rest:
            match reader.integer(1):
                case 1:
                    self.absorbed.append(commitments[reader.integer(4)])
                    self.transcript.append_message(b"V", self.absorbed[-1])
                case 2:
                    self.multiply(reader.linear(), reader.linear())
                case 3 if self.half is None:
                    self.half = self.multiplier()
                case 3:
                    self.half = None
                case 4:
                    self.range64(reader.linear())
                case 5:
                    self.constraints.append(reader.linear())
                case 6:
                    self.trees.append([self.token(reader) for _ in range(reader.integer(2))])
                case _:
                    raise Refused("unknown operation")
        self.transcript.append_u64(b"m", len(self.absorbed))

    @staticmethod
    def token(reader: Reader) -> Linear | int:
        kind = reader.integer(1)
        return reader.linear() if kind == 0 else kind

    def multiplier(self) -> int:
        self.multipliers += 1
        return self.multipliers - 1

    def multiply(self, left: Linear, right: Linear) -> Linear:
        i = self.multiplier()
        self.constraints += [plus(left, {(LEFT, i): -1}), plus(right, {(RIGHT, i): -1})]
        return {(OUTPUT, i): 1}

    def range64(self, value: Linear) -> None:
        for bit in range(64):
            i = self.multiplier()
            self.constraints += [{(OUTPUT, i): 1}, {(LEFT, i): 1, (RIGHT, i): 1, (ONE, 0): -1}]
            value = plus(value, {(RIGHT, i): -(2**bit)})
        self.constraints.append(value)

    def second_phase(self) -> None:
        phase = b"r1cs-2phase" if self.trees else b"r1cs-1phase"
        self.transcript.append_message(b"dom-sep", phase)
        for tree in self.trees:
            stack: list[Linear] = []
            for token in tree:
                stack.append(token if isinstance(token, dict) else self.gate(token, stack))
            (result,) = stack
            self.constraints.append(result)

    def gate(self, kind: int, stack: list[Linear]) -> Linear:
        if kind == 3:
            return self.negate(stack.pop())
        right, left = stack.pop(), stack.pop()
        if kind == 1:
            return plus(left, right, challenge(self.transcript, b"ZkVM.verify.and-challenge"))
        return self.multiply(left, right)

    def negate(self, x: Linear) -> Linear:
        first, second = self.multiplier(), self.multiplier()
        y: Linear = {(RIGHT, first): 1}
        self.constraints += [
            plus({(LEFT, first): 1}, x, -1),
            {(LEFT, first): 1, (LEFT, second): -1},
            {(OUTPUT, first): 1},
            plus({(OUTPUT, second): 1, (ONE, 0): -1}, y),
        ]
        return y

    def folded(self, z: int) -> dict[Wire, int]:
        total: dict[Wire, int] = defaultdict(int)
        for power, constraint in enumerate(self.constraints, 1):
            for wire, scalar in constraint.items():
                total[wire] = (total[wire] + pow(z, power, ORDER) * scalar) % ORDER
        return total


def plus(left: Linear, right: Linear, factor: int = 1) -> Linear:
    total: Linear = defaultdict(int, left)
    for wire, scalar in right.items():
        total[wire] += factor * scalar
    return total


def challenge(transcript: Transcript, label: bytes) -> int:
    return int.from_bytes(transcript.challenge_bytes(label, 64), "little") % ORDER


def verify(tape: bytes, commitments: Sequence[bytes], statement: bytes | None, proof: bytes) -> None:
    """Raise `Refused` (or ValueError for what is no point) unless the proof holds."""
    transcript = Transcript(b"ZkVM.r1cs" if statement is None else b"fairway.zk.v1")
    if statement is not None:
        transcript.append_message(b"statement", statement)
    circuit = Circuit(transcript)
    circuit.read(tape, commitments)
    first_phase = circuit.multipliers

    reader = Reader(proof)
    version = reader.integer(1)
    first = absorb_points(transcript, reader, (b"A_I1", b"A_O1", b"S1"))
    circuit.second_phase()
    if version != int(circuit.multipliers > first_phase):
        raise Refused("version")
    if version:
        second = absorb_points(transcript, reader, (b"A_I2", b"A_O2", b"S2"))
    else:
        second = [IDENTITY] * 3
        for label in (b"A_I2", b"A_O2", b"S2"):
            transcript.append_message(label, encode(IDENTITY))
    y, z = challenge(transcript, b"y"), challenge(transcript, b"z")
    weights = circuit.folded(z)
    t1, t3, t4, t5, t6 = absorb_points(transcript, reader, (b"T_1", b"T_3", b"T_4", b"T_5", b"T_6"))
    u, x = challenge(transcript, b"u"), challenge(transcript, b"x")
    t_x, t_x_blinding, e_blinding = (
        absorb_scalar(transcript, reader, label) for label in (b"t_x", b"t_x_blinding", b"e_blinding")
    )
    w = challenge(transcript, b"w")

    n = circuit.multipliers
    y_inverse = pow(y, -1, ORDER)
    w_left, w_right, w_output = ([weights[kind, i] for i in range(n)] for kind in (LEFT, RIGHT, OUTPUT))
    delta = sum(pow(y_inverse, i, ORDER) * w_left[i] * w_right[i] for i in range(n))
    t_2 = combine((-weights[COMMITTED, j], decode(point)) for j, point in enumerate(circuit.absorbed))
    polynomial = combine([(x**k, t) for k, t in ((1, t1), (2, t_2), (3, t3), (4, t4), (5, t5), (6, t6))])
    expected = add(polynomial, multiply(x * x * (delta - weights[ONE, 0]), BASE))
    if not equal(expected, combine([(t_x, BASE), (t_x_blinding, BLINDING_BASE)])):
        raise Refused("the polynomial's equation")

    padded = 1 << max(n - 1, 0).bit_length()
    phases = [1] * first_phase + [u] * (padded - first_phase)
    y_inverses = [pow(y_inverse, i, ORDER) for i in range(padded)]
    g = [multiply(phase, point) for phase, point in zip(phases, generators(b"G", padded), strict=True)]
    h = [
        multiply(phase * power, point)
        for phase, power, point in zip(phases, y_inverses, generators(b"H", padded), strict=True)
    ]
    inner = combine(
        [(factor * x**k, point) for factor, wires in ((1, first), (u, second)) for k, point in enumerate(wires, 1)]
        + [(x * y_inverses[i] * w_right[i], g[i]) for i in range(n)]
        + [(x * w_left[i] + w_output[i], h[i]) for i in range(n)]
        + [(-pow(y, i, ORDER), h[i]) for i in range(padded)]
        + [(-e_blinding, BLINDING_BASE), (w * t_x, BASE)]
    )
    check_inner_product(transcript, reader, inner, multiply(w, BASE), g, h)


def absorb_points(transcript: Transcript, reader: Reader, labels: Sequence[bytes]) -> list[Point]:
    points = []
    for label in labels:
        encoded = reader.point()
        transcript.append_message(label, encoded)
        points.append(decode(encoded))
    return points


def absorb_scalar(transcript: Transcript, reader: Reader, label: bytes) -> int:
    scalar = reader.scalar()
    transcript.append_message(label, scalar.to_bytes(32, "little"))
    return scalar


def check_inner_product(
    transcript: Transcript, reader: Reader, total: Point, q: Point, g: list[Point], h: list[Point]
) -> None:
    """total = ⟨a, g⟩ + ⟨b, h⟩ + ⟨a, b⟩·q for some a, b, by halving."""
    transcript.append_message(b"dom-sep", b"ipp v1")
    transcript.append_u64(b"n", len(g))
    while len(g) > 1:
        left, right = absorb_points(transcript, reader, (b"L", b"R"))
        u = challenge(transcript, b"u")
        inverse, half = pow(u, -1, ORDER), len(g) // 2
        total = add(total, combine([(u * u, left), (inverse * inverse, right)]))
        g = [combine([(inverse, g[i]), (u, g[i + half])]) for i in range(half)]
        h = [combine([(u, h[i]), (inverse, h[i + half])]) for i in range(half)]
    a, b = reader.scalar(), reader.scalar()
    if reader.rest:
        raise Refused("trailing bytes")
    if not equal(total, combine([(a, g[0]), (b, h[0]), (a * b, q)])):
        raise Refused("the inner product")
