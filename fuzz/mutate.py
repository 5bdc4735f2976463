"""Inputs drawn from a seed: samples with parts altered, moved, doubled and joined, and now and then plain noise."""

from __future__ import annotations

from random import Random

__all__ = ["altered"]

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0xFFFFFFFF, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
NESTS = (b"[", b'{"a":', b"\x91", b"\x81\xa1a", b"(")
"""What opens a part within a part; many of them go deeper than a reader that calls itself can."""
DEEP = 3_000
LONGEST = 1 << 16


def altered(samples: list[bytes], random: Random) -> bytes:
    """One input: mostly a sample with one to four alterations."""
    if not samples or random.random() < 0.02:
        return random.randbytes(random.randrange(64))
    data = bytearray(random.choice(samples))
    if random.random() < 0.002:
        return _deep(data, random)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        _alter(data, samples, random)
    return bytes(data[:LONGEST])


def _deep(data: bytearray, random: Random) -> bytes:
    """One more part than there is room for, which nests without end."""
    if data and 0x90 <= data[0] < 0x9F:
        data[0] += 1
    at = random.choice((len(data), random.randrange(len(data) + 1)))
    data[at:at] = random.choice(NESTS) * DEEP
    return bytes(data)


def _alter(data: bytearray, samples: list[bytes], random: Random) -> None:
    at = random.randrange(len(data) + 1)
    end = min(len(data), at + random.choice((1, 1, 2, 4, 8, 32)))
    match random.randrange(7):
        case 0:
            data[at:end] = random.randbytes(end - at)
        case 1:
            del data[at:end]
        case 2:
            data[at:at] = random.randbytes(random.randrange(1, 9))
        case 3:
            if at < len(data):
                data[at] ^= 1 << random.randrange(8)
        case 4:
            number, width = random.choice(NUMBERS), random.choice((1, 2, 4, 8))
            data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, random.choice(("little", "big")))
        case 5:
            data[at:at] = data[at:end] * random.choice((1, 2, 16))
        case _:
            other = random.choice(samples)
            start = random.randrange(len(other) + 1)
            data[at:end] = other[start : start + random.randrange(64)]
