"""Merlin transcripts: labelled messages in, challenges out, bound to all that came before.

STROBE-128 over Keccak-f[1600], as the published `merlin` crate. The proofs' own transcripts live in the core; this one
serves what the machine hashes and signs in public: identities of contracts and transactions, predicates, signatures.
"""

from __future__ import annotations

from typing import Final

from fairway.crypto.scalars import ORDER

__all__ = ["Transcript"]

RATE = 166
FLAG_I, FLAG_A, FLAG_C, FLAG_M = 1, 2, 4, 16
LANE = 2**64 - 1
ROTATIONS: Final = (0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14)
MOVES: Final = tuple(
    (x + 5 * y, x, ROTATIONS[x + 5 * y], 64 - ROTATIONS[x + 5 * y])
    for _, x, y in sorted((y + 5 * ((2 * x + 3 * y) % 5), x, y) for x in range(5) for y in range(5))
)
"""Where each lane comes from, in the order of where it goes: source, column, rotation to the left and to the right."""
ROWS: Final = tuple((i, i - i % 5 + (i + 1) % 5, i - i % 5 + (i + 2) % 5) for i in range(25))


def _round_constants() -> tuple[int, ...]:
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << (2**j - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


ROUND_CONSTANTS: Final = _round_constants()


class Transcript:
    """What two parties hash alike: whoever appends the same messages draws the same challenges."""

    __slots__ = ("_begin", "_position", "_state")

    def __init__(self, label: bytes) -> None:
        self._state = bytearray(_STARTED)
        self._position = self._begin = 0
        self._operate(FLAG_M | FLAG_A, b"Merlin v1.0")
        self.append(b"dom-sep", label)

    def append(self, label: bytes, message: bytes) -> None:
        """Absorb a message under its label."""
        self._operate(FLAG_M | FLAG_A, label + len(message).to_bytes(4, "little"))
        self._operate(FLAG_A, message)

    def append_u64(self, label: bytes, value: int) -> None:
        """Absorb a number as eight little-endian bytes."""
        self.append(label, value.to_bytes(8, "little"))

    def challenge(self, label: bytes, length: int = 32) -> bytes:
        """Draw `length` bytes; drawing changes the transcript."""
        self._operate(FLAG_M | FLAG_A, label + length.to_bytes(4, "little"))
        self._start(FLAG_I | FLAG_A | FLAG_C)
        squeezed = bytearray()
        for _ in range(length):
            squeezed.append(self._state[self._position])
            self._state[self._position] = 0
            self._advance()
        return bytes(squeezed)

    def challenge_scalar(self, label: bytes) -> int:
        """Draw a scalar: 64 bytes, reduced."""
        return int.from_bytes(self.challenge(label, 64), "little") % ORDER

    def fork(self) -> Transcript:
        """A transcript that has absorbed the same and goes its own way from here."""
        copy = object.__new__(Transcript)
        copy._state = bytearray(self._state)
        copy._position, copy._begin = self._position, self._begin
        return copy

    def _operate(self, flags: int, data: bytes) -> None:
        self._start(flags)
        self._absorb(data)

    def _start(self, flags: int) -> None:
        previous, self._begin = self._begin, self._position + 1
        self._absorb(bytes([previous, flags]))
        if flags & FLAG_C and self._position != 0:
            self._run()

    def _absorb(self, data: bytes) -> None:
        while data:
            part, data = data[: RATE - self._position], data[RATE - self._position :]
            end = self._position + len(part)
            mixed = int.from_bytes(self._state[self._position : end]) ^ int.from_bytes(part)
            self._state[self._position : end] = mixed.to_bytes(len(part))
            self._position = end
            if end == RATE:
                self._run()

    def _advance(self) -> None:
        self._position += 1
        if self._position == RATE:
            self._run()

    def _run(self) -> None:
        self._state[self._position] ^= self._begin
        self._state[self._position + 1] ^= 0x04
        self._state[RATE + 1] ^= 0x80
        _permute(self._state)
        self._position = self._begin = 0


def _permute(state: bytearray) -> None:
    """Keccak-f[1600], in place."""
    a = [int.from_bytes(state[8 * i : 8 * i + 8], "little") for i in range(25)]
    for constant in ROUND_CONSTANTS:
        v, w, x, y, z = (a[i] ^ a[i + 5] ^ a[i + 10] ^ a[i + 15] ^ a[i + 20] for i in range(5))
        d = (
            z ^ (w << 1 | w >> 63),
            v ^ (x << 1 | x >> 63),
            w ^ (y << 1 | y >> 63),
            x ^ (z << 1 | z >> 63),
            y ^ (v << 1 | v >> 63),
        )
        b = [((lane := (a[i] ^ d[column]) & LANE) << left | lane >> right) & LANE for i, column, left, right in MOVES]
        a = [b[i] ^ (~b[j] & b[k]) for i, j, k in ROWS]
        a[0] ^= constant
    state[:] = b"".join(lane.to_bytes(8, "little") for lane in a)


def _started() -> bytes:
    state = bytearray(200)
    state[:18] = bytes([1, RATE + 2, 1, 0, 1, 96]) + b"STROBEv1.0.2"
    _permute(state)
    return bytes(state)


_STARTED: Final = _started()
