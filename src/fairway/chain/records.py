"""Between cells and values: what the machine returns, read into what the interface promises."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pytoniq_core import Cell, begin_cell
from pytoniq_core.tlb.account import ShardAccount
from pytoniq_core.tlb.transaction import MessageAny
from pytoniq_core.tlb.transaction import Transaction as TransactionCell

from fairway.chain.interface import Account, Message, Transaction
from fairway.errors import InvalidMessage
from fairway.ton.cells import from_boc

BOUNCED_BODY, BOUNCED_BITS = 0xFFFFFFFF, 256
READINGS = 256
"""How many states are remembered with what was read from them: a state is looked at more often than it changes."""


def read_destination(boc: bytes) -> tuple[bool, str]:
    """Whether a whole message is external, and where it goes; else `InvalidMessage` with `chain.message`."""
    cell = from_boc(boc)
    try:
        message = MessageAny.deserialize(cell.begin_parse())
        return message.is_external, _raw(message.info.dest) or ""
    except Exception as error:
        raise InvalidMessage("chain.message", "this cell is not a message to an account") from error


def bounced(boc: bytes) -> bytes | None:
    """An internal message on its way back: all its money, and of its body the first 256 bits; None if it must not be.

    Fees for the way back are not taken.
    """
    message = MessageAny.deserialize(from_boc(boc).begin_parse())
    info = message.info
    if not info.bounce:
        return None
    start = message.body.begin_parse()
    body = (
        begin_cell().store_uint(BOUNCED_BODY, 32).store_bits(start.load_bits(min(BOUNCED_BITS, start.remaining_bits)))
    )
    info.src, info.dest, info.bounce, info.bounced = info.dest, info.src, False, True
    return bytes(MessageAny(info, None, body.end_cell()).serialize().to_boc())


@lru_cache(READINGS)
def read_account(address: str, boc: bytes | None) -> Account:
    """An account from its shard account cell."""
    shard = boc and ShardAccount.deserialize(Cell.one_from_boc(boc).begin_parse())
    if not shard or shard.account is None:
        return Account(address, "absent", 0, shard.last_trans_lt if shard else 0, None, None)
    storage = shard.account.storage
    kind = storage.state.type_
    init = storage.state.state_init if kind == "account_active" else None
    return Account(
        address=address,
        status={"account_active": "active", "account_frozen": "frozen"}.get(kind, "uninit"),  # type: ignore[arg-type]
        balance=storage.balance.grams,
        last_lt=shard.last_trans_lt,
        code=init and init.code.to_boc(),
        data=init and init.data.to_boc(),
        extra=storage.balance.other.dict or {},
    )


def read_transaction(address: str, boc: bytes) -> tuple[Transaction, tuple[bytes, ...]]:
    """A transaction, and its internal out-messages as whole messages, in order."""
    root = Cell.one_from_boc(boc)
    transaction = TransactionCell.deserialize(root.begin_parse())
    description = transaction.description
    compute, action = description.compute_ph, description.action
    ran = compute.type_ != "skipped"
    record = Transaction(
        address=address,
        lt=transaction.lt,
        at=transaction.now,
        digest=root.hash,
        incoming=transaction.in_msg and _message(transaction.in_msg),
        outgoing=tuple(_message(message) for message in transaction.out_msgs),
        aborted=description.aborted,
        exit_code=compute.exit_code if ran else None,
        result_code=action.result_code if action else None,
        gas_used=compute.gas_used if ran else 0,
        fees=transaction.total_fees.grams,
    )
    return record, _outgoing(root)


def read_link(address: str, boc: bytes) -> tuple[Transaction, int, bytes]:
    """A transaction out of foreign hands, and logical time and hash of the one before it (0 and zeros: there is none).

    `InvalidMessage` with `chain.transaction` for anything else, or if it is another account's.
    """
    cell = from_boc(boc)
    try:
        parsed = TransactionCell.deserialize(cell.begin_parse())
        record, _ = read_transaction(address, boc)
    except Exception as error:
        raise InvalidMessage("chain.transaction", "this cell is not a transaction") from error
    if bytes(parsed.account_addr) != bytes.fromhex(address.partition(":")[2]):
        raise InvalidMessage("chain.transaction", "this transaction is another account's", address=address)
    return record, parsed.prev_trans_lt, bytes(parsed.prev_trans_hash)


def _outgoing(transaction: Cell) -> tuple[bytes, ...]:
    messages = transaction.refs[0].begin_parse()
    if messages.load_bit():
        messages.load_ref()
    cells = messages.load_dict(15, value_deserializer=lambda value: value.load_ref()) or {}
    return tuple(cells[index].to_boc() for index in sorted(cells) if _is_internal(cells[index]))


def _is_internal(message: Cell) -> bool:
    return not message.begin_parse().preload_bit()


def _message(message: MessageAny) -> Message:
    info = message.info
    return Message(
        source=None if message.is_external else _raw(info.src),
        destination=None if message.is_external_out else _raw(info.dest),
        value=info.value_coins if message.is_internal else 0,
        bounced=info.bounced if message.is_internal else False,
        created_lt=0 if message.is_external else info.created_lt,
        body=message.body.to_boc(),
    )


def _raw(address: Any) -> str | None:
    return None if address is None else f"{address.wc}:{address.hash_part.hex()}"
