"""Merlin transcripts (STROBE-128 over Keccak-f[1600]) in plain Python, as far as proofs need them."""

from __future__ import annotations

RATE = 166
FLAG_I, FLAG_A, FLAG_C, FLAG_M, FLAG_K = 1, 2, 4, 16, 32
LANE = 2**64 - 1

ROTATIONS = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14]


def _round_constants() -> list[int]:
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << (2**j - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


ROUND_CONSTANTS = _round_constants()


def _rotate(lane: int, by: int) -> int:
    return ((lane << by) | (lane >> (64 - by))) & LANE


def permute(state: bytearray) -> None:
    """Keccak-f[1600], in place."""
    a = [int.from_bytes(state[8 * i : 8 * i + 8], "little") for i in range(25)]
    for constant in ROUND_CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ _rotate(c[(x + 1) % 5], 1) for x in range(5)]
        b = [0] * 25
        for x in range(5):
            for y in range(5):
                i = x + 5 * y
                b[y + 5 * ((2 * x + 3 * y) % 5)] = _rotate(a[i] ^ d[x], ROTATIONS[i])
        a = [b[i] ^ (~b[i - i % 5 + (i + 1) % 5] & b[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        a[0] ^= constant
    state[:] = b"".join((lane & LANE).to_bytes(8, "little") for lane in a)


class Transcript:
    """append_message, append_u64 and challenge_bytes, and no more."""

    def __init__(self, label: bytes) -> None:
        self._state = bytearray(200)
        self._state[:18] = bytes([1, RATE + 2, 1, 0, 1, 96]) + b"STROBEv1.0.2"
        permute(self._state)
        self._position = self._begin = 0
        self._operate(FLAG_M | FLAG_A, b"Merlin v1.0")
        self.append_message(b"dom-sep", label)

    def append_message(self, label: bytes, message: bytes) -> None:
        self._operate(FLAG_M | FLAG_A, label + len(message).to_bytes(4, "little"))
        self._operate(FLAG_A, message)

    def append_u64(self, label: bytes, value: int) -> None:
        self.append_message(label, value.to_bytes(8, "little"))

    def challenge_bytes(self, label: bytes, length: int) -> bytes:
        self._operate(FLAG_M | FLAG_A, label + length.to_bytes(4, "little"))
        self._start(FLAG_I | FLAG_A | FLAG_C)
        squeezed = bytearray()
        for _ in range(length):
            squeezed.append(self._state[self._position])
            self._state[self._position] = 0
            self._advance()
        return bytes(squeezed)

    def _operate(self, flags: int, data: bytes) -> None:
        self._start(flags)
        self._absorb(data)

    def _start(self, flags: int) -> None:
        previous, self._begin = self._begin, self._position + 1
        self._absorb(bytes([previous, flags]))
        if flags & (FLAG_C | FLAG_K) and self._position != 0:
            self._run()

    def _absorb(self, data: bytes) -> None:
        for byte in data:
            self._state[self._position] ^= byte
            self._advance()

    def _advance(self) -> None:
        self._position += 1
        if self._position == RATE:
            self._run()

    def _run(self) -> None:
        self._state[self._position] ^= self._begin
        self._state[self._position + 1] ^= 0x04
        self._state[RATE + 1] ^= 0x80
        permute(self._state)
        self._position = self._begin = 0
