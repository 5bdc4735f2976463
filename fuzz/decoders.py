"""Every decoder that bytes from outside reach, with what it may say, and samples of what it understands.

The oracle is the same for all: bytes are a value or one of the named refusals, nothing else is raised. Where there is
one encoding only, the value encodes to these very bytes: what is not canonical is not accepted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fairway.audit import records
from fairway.audit.lie import Lie
from fairway.chain.network import read_network
from fairway.chain.records import read_destination
from fairway.channel import codec
from fairway.channel.state import Half, SignedHalf
from fairway.crypto.pedersen import Opening, commit_all
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange import effect, wire
from fairway.exchange.asked import Asked
from fairway.exchange.event import decode as decode_event
from fairway.exchange.listing import default_listings, parse_listings
from fairway.service import image
from fairway.settlement.epoch import EpochProof
from fairway.settlement.lending import Lending, LendTx
from fairway.settlement.note import Opened, OrderTx
from fairway.settlement.settlement import Settlement, SettlementTx
from fairway.settlement.solvency import Balance, Solvency, SolvencyTerms, SolvencyTx
from fairway.ton.address import Address
from fairway.ton.cells import from_boc, to_boc
from fairway.units import parse_ton
from fairway.zkvm import assembler, contract, program, transaction, tx
from fairway.zkvm.merkle import Path as TreePath
from fairway.zkvm.op import Dialect
from fairway.zkvm.predicate import CallProof
from fuzz import Wrong

__all__ = ["DECODERS", "Decoder", "check"]

VECTORS = Path(__file__).parents[1] / "tests" / "vectors"


class Decoder(NamedTuple):
    """`decode` reads bytes or raises one of `refusals`; `encode` is its inverse, where there is one encoding only."""

    name: str
    decode: Callable[[bytes], Any]
    samples: Callable[[], list[bytes]]
    encode: Callable[[Any], bytes] | None = None
    refusals: tuple[type[Exception], ...] = (InvalidMessage,)


def check(decoder: Decoder, data: bytes) -> bool:
    """Whether `data` is understood. Errors: `Wrong`."""
    try:
        value = decoder.decode(data)
        written = decoder.encode(value) if decoder.encode is not None else data
    except decoder.refusals:
        return False
    except Exception as error:
        raise Wrong(f"{decoder.name}: {type(error).__name__}: {error!s:.200}; the bytes are {data.hex()}") from error
    if written != data:
        raise Wrong(f"{decoder.name} accepts what it would write otherwise: {data.hex()}")
    return True


# Samples


def _vector(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


@cache
def _history() -> tuple[list[bytes], list[Any]]:
    """The journal and the effects of a short life of a venue: orders, fills, closes, a liquidation, a mandate."""
    from tests.simulation.test_mandates import Desk, buy, sell  # noqa: PLC0415 - only the samples need the tests

    desk = Desk()
    world = desk.world
    world.propose(desk.other, [sell(30), buy(20, 49_000)])
    desk.order(buy(20))
    desk.cancel(desk.order(buy(5, 49_990)))
    world.put(desk.count_down(1_000, 1))
    world.propose(desk.owner)
    desk.order(sell(10, 49_000))
    world.propose(desk.owner, [buy(3, 49_500)])
    world.price(2, 45_000)
    return world.journal, world.effects


def _pushed() -> list[bytes]:
    pushes = [each for each in _history()[1] if isinstance(each, effect.Push)]
    return [
        wire.encode(
            wire.Pushed(
                each.channel_id,
                each.half.seqno,
                each.half.sent,
                each.half.body.conditionals_hash,
                each.half.cited,
                each.half.digest(),
                list(each.changes),
                [receipt.digest() for receipt in each.receipts],
            )
        )
        for each in pushes
    ]


def _requests() -> list[bytes]:
    hello = wire.Hello(bytes(16), bytes(32), bytes(64), 3, 4)
    proposed = [decode_event(entry) for entry in _history()[0]]
    known = {name: getattr(wire, name.capitalize()) for name in ("propose", "open", "close", "revoke", "sweep")}
    made = [wire.encode(hello), wire.encode(wire.Shown(bytes(16), b"half"))]
    for each in proposed:
        fields = msgspec.structs.asdict(each)
        for kind in known.values():
            names = kind.__struct_fields__
            if set(names) <= fields.keys():
                made.append(wire.encode(kind(**{name: fields[name] for name in names})))
    return made


def _records(kind: type) -> list[Any]:
    made = [each for each in _history()[1] if isinstance(each, effect.ProveRecord)]
    return [each for found in made for each in (found.record, *found.fills) if isinstance(each, kind)]


def _jobs(kind: type) -> list[bytes]:
    return [each.encode() for each in _records(kind)]


def _public(job: type, kind: type) -> list[bytes]:
    """Public records with a proof that proves nothing: a reader does not verify it."""
    return [kind(each.statement, tuple(commit_all(each.openings)), bytes(40)).encode() for each in _records(job)]


def _bundle() -> list[bytes]:
    groups = [records.Group([], each) for each in _public(Settlement, SettlementTx)[:2]]
    return [records.encode(records.Bundle(bytes(32), groups, []))]


def _bags() -> list[bytes]:
    messages = _vector("living-channel")["messages"].values()
    return [bytes.fromhex(each) for each in (*messages, *(half["boc"] for half in _vector("channel-cells")["halves"]))]


def _orders() -> list[bytes]:
    asked = Asked("ETH-TON", "BUY", "LIMIT", "10", "50000", 1, 0, 1, 1 << 40, signature="00" * 64)
    stop = Asked("TON-USD", "SELL", "STOP_MARKET", "10", "50000", 1, 0, 1, 1 << 40, "GTD", stop_price="50010", round=3)
    return [msgspec.json.encode(each) for each in (asked, stop)]


def _order(rules: Any, data: bytes) -> Any:
    try:
        return msgspec.json.decode(data, type=Asked).terms(rules, bytes(16))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessage("request.body", str(error)) from None


@cache
def _rules() -> Any:
    from tests.simulation.world import World  # noqa: PLC0415

    return World().engine.venue.rules


def _programs() -> list[bytes]:
    return [bytes.fromhex(each["hex"]) for each in _vector("zkos-bytecodes")["programs"]]


def _assembly() -> list[bytes]:
    return ["\n".join(each["asm"]).encode() for each in _vector("zkos-bytecodes")["programs"]]


def _text(decode: Callable[[str], Any], data: bytes) -> Any:
    return decode(data.decode(errors="replace"))


def _event(data: bytes) -> Any:
    try:
        return decode_event(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidMessage("journal.entry", str(error)) from None


def _settled() -> list[bytes]:
    return _public(Settlement, SettlementTx)


def _solvency() -> Solvency:
    """A pool of two markets that balance."""
    terms = SolvencyTerms(network=-3, at_ms=1, pool=bytes(32), head=bytes(32))
    return Solvency(terms, (Balance(-3, 1, 5), Balance(-3, 2, 6)), Opening(7, 8), Opening(0, 9))


def _contracts() -> list[bytes]:
    point = commit_all([Opening(1, 2)])[0]
    items = contract.String(b"words"), contract.Program(b"\1\2"), contract.Value(point, point)
    return [contract.encode(contract.Contract(bytes(32), point, items[:count])) for count in range(4)]


def _signed_halves() -> list[bytes]:
    halves = [Half.from_cell(from_boc(bytes.fromhex(each["boc"]))) for each in _vector("channel-cells")["halves"]]
    return [to_boc(SignedHalf(half, bytes(64)).to_cell()) for half in halves]


def _path() -> bytes:
    return TreePath(2, (bytes(32), bytes([1]) * 32)).encode()


DECODERS = [
    Decoder("wire request", wire.decode_request, _requests),
    Decoder("wire reply", wire.decode_reply, _pushed),
    Decoder("order", lambda data: _order(_rules(), data), _orders, refusals=(InvalidMessage, Rejected)),
    Decoder("journal entry", _event, lambda: _history()[0], refusals=(InvalidMessage, Rejected)),
    Decoder("bag of cells", from_boc, _bags),
    Decoder("channel message", lambda data: codec.decode(from_boc(data)), _bags),
    Decoder("half", lambda data: Half.from_cell(from_boc(data)), _bags),
    Decoder("signed half", lambda data: SignedHalf.from_cell(from_boc(data)), _signed_halves),
    Decoder("address", partial(_text, Address.parse), lambda: [b"0:" + b"11" * 32]),
    Decoder("amount", partial(_text, parse_ton), lambda: [b"1", b"0.25"], refusals=(InvalidMessage, Rejected)),
    Decoder("destination", read_destination, _bags),
    Decoder("configuration", read_network, _bags),
    Decoder("settlement job", Settlement.decode, lambda: _jobs(Settlement), Settlement.encode),
    Decoder("settlement", SettlementTx.decode, _settled, SettlementTx.encode),
    Decoder("fill job", Opened.decode, lambda: _jobs(Opened), Opened.encode),
    Decoder("fill", OrderTx.decode, lambda: [each.transaction().encode() for each in _records(Opened)], OrderTx.encode),
    Decoder("lending job", Lending.decode, lambda: _jobs(Lending), Lending.encode),
    Decoder("lending", LendTx.decode, lambda: _public(Lending, LendTx), LendTx.encode),
    Decoder("solvency job", Solvency.decode, lambda: [_solvency().encode()], Solvency.encode),
    Decoder("solvency", SolvencyTx.decode, lambda: [_solvency().transaction().encode()], SolvencyTx.encode),
    Decoder("epoch", EpochProof.decode, lambda: [EpochProof((b"a", b"bc")).encode()], EpochProof.encode),
    Decoder("bundle", records.decode, _bundle, refusals=(Lie,)),
    Decoder(
        "script transaction",
        tx.decode,
        lambda: [bytes.fromhex(_vector("zkos-script-tx")["raw_bincode_hex"])],
        tx.encode,
    ),
    Decoder(
        "transaction",
        transaction.decode,
        lambda: [bytes.fromhex(_vector("zkvm-transaction")["transaction"])],
        lambda value: value.encode(),
    ),
    Decoder("contract", contract.decode, _contracts, contract.encode),
    Decoder("path", TreePath.decode, lambda: [_path()], lambda value: value.encode()),
    Decoder("call proof", CallProof.decode, lambda: [bytes(32) + _path()], lambda value: value.encode()),
    *(
        Decoder(
            f"{dialect.name.lower()} program",
            partial(program.decode, dialect=dialect),
            _programs,
            partial(program.encode, dialect=dialect),
        )
        for dialect in Dialect
    ),
    Decoder("assembly", partial(_text, assembler.parse), _assembly, refusals=(InvalidMessage, Rejected)),
    Decoder(
        "markets",
        partial(_text, parse_listings),
        lambda: [Path(wire.__file__).with_name("markets.toml").read_bytes()],
        refusals=(Rejected,),
    ),
    Decoder("image", image.read, lambda: [image.write(default_listings())], refusals=(Unavailable,)),
]
