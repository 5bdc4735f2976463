"""The machine port: one transaction, one get method. The default machine is tonpy, which runs inside this process.

`config.boc` is a snapshot of the chain configuration (global version 12, sequence number 52956904, the subset that
transactions read); newer ones carry a parameter 43 that no emulator at hand understands.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol

import msgspec
from tonpy import Cell as TonpyCell
from tonpy import CellSlice, Emulator, begin_cell
from tonpy.tvm import TVM, method_name_to_id
from tonpy.tvm.c7 import C7
from tonpy.types import StackEntry
from tonpy.utils.shard_account import get_empty_shard_account

from fairway.chain.interface import StackValue
from fairway.errors import Rejected, Unavailable

GET_GAS_LIMIT = 10_000_000

_REJECTED = "external message rejected"
_EXIT_CODE = re.compile(r"exit code (-?\d+)")


class Outcome(msgspec.Struct, frozen=True):
    """The shard account after a transaction, and the transaction itself."""

    account: bytes
    transaction: bytes


class Tvm(Protocol):
    """A machine that executes TON contracts under the configuration `config`. Cells are BOC bytes."""

    @property
    def config(self) -> bytes:
        """The network's configuration."""

    def transact(self, account: bytes | None, message: bytes, now: int, lt: int) -> Outcome:
        """Run `message` on a shard account (None: never seen).

        Raises `Rejected` with `chain.refused` (fact `exit_code`) if an external message is not accepted.
        """

    def run_get(
        self,
        code: bytes,
        data: bytes,
        address: str,
        balance: int,
        now: int,
        method: str,
        arguments: Sequence[StackValue],
    ) -> tuple[StackValue, ...]:
        """The stack a get method leaves, bottom first; `Rejected` with `chain.get_failed` if it throws."""


class TonpyTvm:
    """The machine of tonpy. Deterministic: nothing but the arguments goes in."""

    def __init__(self) -> None:
        self.config = files("fairway.chain").joinpath("config.boc").read_bytes()
        self._config = _cell(self.config)
        self._emulator = Emulator(self._config)
        self._emulator.set_rand_seed(0)
        self._absent = get_empty_shard_account()

    def transact(self, account: bytes | None, message: bytes, now: int, lt: int) -> Outcome:
        """See `Tvm`."""
        before = self._absent if account is None else _cell(account)
        emulator = self._emulator.emulator
        try:
            accepted = emulator.emulate_transaction(before.cell, _cell(message).cell, str(now), str(lt), 1, False)
        except RuntimeError as error:
            if _REJECTED not in str(error):
                raise Unavailable("chain.machine", "the machine failed on a transaction", reason=str(error)) from error
            raise Rejected("chain.refused", "no contract is there to accept this external message") from None
        if not accepted:
            codes = _EXIT_CODE.findall(emulator.vm_log)
            code = int(codes[-1]) if codes else None
            raise Rejected("chain.refused", "the contract does not accept this external message", exit_code=code)
        return Outcome(_boc(TonpyCell(emulator.account_cell)), _boc(TonpyCell(emulator.transaction_cell)))

    def run_get(
        self,
        code: bytes,
        data: bytes,
        address: str,
        balance: int,
        now: int,
        method: str,
        arguments: Sequence[StackValue],
    ) -> tuple[StackValue, ...]:
        """See `Tvm`."""
        workchain, _, account = address.partition(":")
        code_cell = _cell(code)
        machine = TVM(code=code_cell, data=_cell(data))
        machine.set_c7(
            C7(
                time=now,
                balance_grams=balance,
                address={"workchain": int(workchain), "address": account},
                global_config=self._config,
                my_code=code_cell,
                rand_seed=0,
            )
        )
        machine.set_gas_limit(GET_GAS_LIMIT, GET_GAS_LIMIT)
        machine.set_stack([*map(_entry, arguments), method_name_to_id(method)])
        stack = machine.run(allow_non_success=True, unpack_stack=False)
        if machine.exit_code not in {0, 1}:
            raise Rejected("chain.get_failed", "a get method threw", method=method, exit_code=machine.exit_code)
        return tuple(_value(stack[index]) for index in reversed(range(len(stack))))


def _cell(boc: bytes) -> TonpyCell:
    return TonpyCell(b64encode(boc).decode())


def _boc(cell: TonpyCell) -> bytes:
    return b64decode(cell.to_boc())


def _entry(value: StackValue) -> StackEntry:
    if isinstance(value, tuple):
        return StackEntry(value=[_entry(item) for item in value])
    return StackEntry(value=_cell(value).begin_parse() if isinstance(value, bytes) else value)


def _value(entry: StackEntry) -> StackValue:
    value = entry.get()
    if isinstance(value, list):
        return tuple(_value(item) for item in value)
    if isinstance(value, CellSlice):
        return _boc(begin_cell().store_slice_or_tlb(value).end_cell())
    return _boc(value) if isinstance(value, TonpyCell) else value
