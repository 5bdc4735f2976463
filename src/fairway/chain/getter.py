"""A get method run on the machine in this process, over whatever account state somebody has."""

from __future__ import annotations

from collections.abc import Sequence

from fairway.chain.interface import Account, StackValue
from fairway.chain.tvm import Tvm
from fairway.errors import Rejected
from fairway.ton.cells import from_boc

__all__ = ["run_getter"]


def run_getter(
    tvm: Tvm, account: Account, now: int, method: str, arguments: Sequence[StackValue]
) -> tuple[StackValue, ...]:
    """What `method` of `account` leaves on the stack at the time `now`. Errors: those of `Chain.run_get`."""
    for argument in arguments:
        _check_argument(argument)
    if account.code is None or account.data is None:
        raise Rejected("chain.absent", "no contract lives at this address", address=account.address)
    return tvm.run_get(account.code, account.data, account.address, account.balance, now, method, arguments)


def _check_argument(value: StackValue) -> None:
    if isinstance(value, bytes):
        from_boc(value)
    elif isinstance(value, tuple):
        for item in value:
            _check_argument(item)
