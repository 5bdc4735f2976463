"""Addresses: a workchain and the hash of the code and data an account began with."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from pytoniq_core import Address as ForeignAddress
from pytoniq_core.crypto.crc import crc16

from fairway.errors import InvalidMessage

__all__ = ["Address"]

_BOUNCEABLE, _UNBOUNCEABLE, _TESTNET = 0x11, 0x51, 0x80


@dataclass(frozen=True, slots=True)
class Address:
    """The account `hash` in `workchain`; one value however it is written."""

    workchain: int
    hash: bytes

    def __post_init__(self) -> None:
        if len(self.hash) != 32 or not -128 <= self.workchain < 128:
            raise InvalidMessage("address.form", "an address is a small workchain and 32 bytes")

    @staticmethod
    def parse(text: str) -> Address:
        """The address in raw form (`0:` and 64 hex digits) or friendly form; else `InvalidMessage` `address.form`."""
        try:
            return _parse_raw(text) if ":" in text else _parse_friendly(text)
        except ValueError as error:
            raise InvalidMessage("address.form", "this text is not an address", text=text[:80]) from error

    def __str__(self) -> str:
        return f"{self.workchain}:{self.hash.hex()}"

    def friendly(self, *, bounceable: bool = True, testnet: bool = False) -> str:
        """The 48 characters that wallets show."""
        tag = (_BOUNCEABLE if bounceable else _UNBOUNCEABLE) | (_TESTNET if testnet else 0)
        body = bytes((tag, self.workchain & 0xFF)) + self.hash
        return urlsafe_b64encode(body + bytes(crc16(body))).decode()

    def foreign(self) -> ForeignAddress:
        """The same address in pytoniq-core's form, for its builders."""
        return ForeignAddress((self.workchain, self.hash))


def _parse_raw(text: str) -> Address:
    workchain, _, digits = text.partition(":")
    address = Address(int(workchain), bytes.fromhex(digits))
    if str(address) != text.lower():
        raise ValueError("not in its one form")
    return address


def _parse_friendly(text: str) -> Address:
    if len(text) != 48:
        raise ValueError("a friendly address has 48 characters")
    raw = urlsafe_b64decode(text.replace("+", "-").replace("/", "_"))
    if len(raw) != 36 or raw[0] & ~_TESTNET not in {_BOUNCEABLE, _UNBOUNCEABLE} or crc16(raw[:34]) != raw[34:]:
        raise ValueError("a tag or a checksum is wrong")
    return Address(int.from_bytes(raw[1:2], signed=True), raw[2:34])
