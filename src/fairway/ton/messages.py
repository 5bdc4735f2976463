"""Whole messages and state inits, as they travel between accounts."""

from __future__ import annotations

from collections.abc import Mapping

from pytoniq_core import Address, HashMap, begin_cell

from fairway.ton.cells import Builder, Cell

__all__ = ["address_of", "external_message", "internal_message", "state_init"]


def state_init(code: Cell, data: Cell) -> Cell:
    """What a contract starts from; its hash is its address."""
    return begin_cell().store_uint(0b00110, 5).store_ref(code).store_ref(data).end_cell()


def address_of(init: Cell) -> str:
    """The basechain address of the contract that starts from `init`, raw."""
    return f"0:{init.hash.hex()}"


def external_message(destination: str, body: Cell, init: Cell | None = None) -> Cell:
    """A message from outside; with `init` it deploys its destination first."""
    head = begin_cell().store_uint(0b10, 2).store_uint(0, 2).store_address(Address(destination)).store_coins(0)
    return _init(head, init).store_bit(1).store_ref(body).end_cell()


def internal_message(
    source: str | None,
    destination: str,
    nano: int,
    body: Cell | None = None,
    *,
    bounce: bool = True,
    init: Cell | None = None,
    at: int = 0,
    extra: Mapping[int, int] | None = None,
) -> Cell:
    """A message between contracts. A contract that sends leaves `source` and `at` to the network.

    `extra`: amounts of extra currencies, by number.
    """
    head = begin_cell().store_uint(0b0110 if bounce else 0b0100, 4)
    head.store_address(Address(source) if source else None).store_address(Address(destination))
    head.store_coins(nano).store_dict(_extra(extra or {})).store_coins(0).store_coins(0).store_uint(0, 64).store_uint(
        at, 32
    )
    head = _init(head, init)
    return (head.store_bit(1).store_ref(body) if body else head.store_bit(0)).end_cell()


def _extra(amounts: Mapping[int, int]) -> Cell | None:
    held = HashMap(32, value_serializer=lambda amount, leaf: leaf.store_var_uint(amount, 5))
    for number, amount in amounts.items():
        held.set_int_key(number, amount)
    return held.serialize() if amounts else None


def _init(head: Builder, init: Cell | None) -> Builder:
    return head.store_bit(0) if init is None else head.store_uint(0b11, 2).store_ref(init)
