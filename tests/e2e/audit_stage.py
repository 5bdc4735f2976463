"""A demo directory without processes: a small venue's journal, sealed, and its users' records."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tests.simulation.test_exchange_flow import wander
from tests.simulation.world import START, World

from fairway.audit.outbox import letters_due
from fairway.client.store import Store
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.exchange import effect, event, wire
from fairway.exchange.draft import round_of
from fairway.exchange.engine import Engine
from fairway.exchange.entry import Entry
from fairway.service import archive
from fairway.service.archive import Checkpoint, Letter
from fairway.service.journal import Journal
from fairway.settlement.epoch import prove_epoch
from fairway.settlement.job import is_proven
from fairway.settlement.proof import prove
from fairway.units import TON

ENTROPY = bytes(32)
TRADERS = 4


def lived() -> World:
    """A venue that has seen trades and liquidations, one user gone home, and every settlement proven."""
    world = World(11)
    _prove(world, 0)
    for name in range(TRADERS):
        world.join(f"trader {name}", 300 * TON)
    wander(world, 160)
    _leave(world, world.join("leaver", 50 * TON))
    world.assess()
    _prove(world, 1)
    return world


def _prove(world: World, first: int) -> None:
    """Prove every record from number `first` on, in one epoch."""
    asked = [wanted for wanted in world.effects if isinstance(wanted, effect.ProveRecord)][first:]
    for wanted in asked:
        if is_proven(wanted.record):
            proven = prove(wanted.record, ENTROPY)
            world.put(event.Proved(at_ms=world.now_ms, txid=proven.txid, proof=proven.proof))
    records = [record for wanted in asked for record in (*wanted.fills, wanted.record)]
    proof = prove_epoch(records, ENTROPY).encode()
    world.put(event.EpochProved(at_ms=world.now_ms, first=first, last=first + len(asked), proof=proof))


def _leave(world: World, channel_id: bytes) -> None:
    """The user changes his mind about an order, signs a close, and the chain pays him."""
    account, channel = world.engine.accounts[channel_id], world.engine.channels[channel_id]
    world.propose(channel_id, [Wish(1, True, 1, START[1] * 96 // 100)])
    world.propose(channel_id, [], list(account.orders))
    seqnos = channel.a.half.seqno, channel.b.half.seqno
    closing_ = wire.Close(channel_id, *seqnos, account.due, account.earned, b"")
    digest = world.users[channel_id].replica.close_statement(closing_).digest()
    world.put(
        event.CloseProposed(
            at_ms=world.now_ms,
            channel_id=channel_id,
            seqno_a=closing_.seqno_a,
            seqno_b=closing_.seqno_b,
            sent_a=closing_.sent_a,
            sent_b=closing_.sent_b,
            signature=keys.sign(world.users[channel_id].seed, digest),
        )
    )
    world.put(
        event.Closed(
            at_ms=world.now_ms,
            channel_id=channel_id,
            value_a=account.balance,
            value_b=channel.deposit_a + channel.deposit_b - account.balance,
            paid=account.balance,
            transaction=bytes(32),
        )
    )


def write(folder: Path, payloads: list[bytes], checkpoint_every: int = 50) -> None:
    """The journal of `payloads` as a service leaves it in `folder`, sealed; what cannot be applied has no letters."""
    engine, journal = Engine(), Journal.open(folder)
    for seq, payload in enumerate(payloads):
        letters: list[Letter] = []
        try:
            happened = event.decode(payload)
            due = letters_due(seq, happened, engine.apply(happened))
            letters = [Letter(topic, number, seq, frame) for (topic, number), frame in due.items()]
        except Exception:  # noqa: BLE001 - a liar's entry
            pass
        journal.append([payload], letters)
        if seq % checkpoint_every == checkpoint_every - 1:
            journal.add_checkpoint(Checkpoint(seq, engine.digest(), engine.book_digest()))
    journal.seal()


def reseal(folder: Path) -> None:
    """Seal a journal again whose file was altered, as a liar would."""
    (folder / archive.MANIFEST).unlink(missing_ok=True)
    newest = Entry(-1, b"", b"")
    with archive._opened(folder) as database:
        for row in database.execute("SELECT seq, hash, x'' FROM entries ORDER BY seq DESC LIMIT 1"):
            newest = Entry(*row)
    archive.write_manifest(folder, newest)


def record(folder: Path, world: World) -> None:
    """What every user of `world` wrote down."""
    folder.mkdir()
    stores = {channel_id: Store(folder / f"{place}.sqlite") for place, channel_id in enumerate(world.users)}
    engine = Engine()
    for payload in world.journal:
        happened = event.decode(payload)
        for channel_id, said in _told(world, happened, engine.apply(happened)):
            stores[channel_id].append(channel_id, *said)
    for store in stores.values():
        with closing(store):
            pass


def _told(world: World, happened: event.AnyEvent, effects: list[effect.AnyEffect]):
    match happened:
        case event.Opened():
            replica = world.users[happened.channel_id].replica
            yield happened.channel_id, [replica.welcome, replica.opened]
        case event.Funded():
            yield happened.channel_id, [happened]
        case event.Proposed():
            fields = happened.seqno, happened.sent, happened.conditionals_hash, happened.cites
            said = wire.Propose(happened.channel_id, *fields, b"", happened.orders, happened.drops, happened.moves)
            yield happened.channel_id, [said]
        case event.Priced():
            for channel_id in world.users:
                yield channel_id, [round_of(happened)]
        case _:
            pass
    for wanted in effects:
        match wanted:
            case effect.SignHalf():
                promised, signature = wanted.half.body.conditionals_hash, sign(world, wanted.channel_id, wanted.half)
                yield wanted.channel_id, [wire.Granted(wanted.channel_id, promised, signature)]
            case effect.Push():
                yield wanted.channel_id, [pushed(world, wanted)]
            case effect.Refuse():
                yield wanted.channel_id, [wire.Refused(wanted.channel_id, wanted.seqno, wanted.code, wanted.message, 1)]


def sign(world: World, channel_id: bytes, signed) -> bytes:
    """The service's signature of anything with a digest."""
    return keys.sign(world.key_b(world.users[channel_id].replica.opened.key_a), signed.digest())


def pushed(world: World, wanted: effect.Push) -> wire.Pushed:
    """The push as the user got it."""
    half = wanted.half
    return wire.Pushed(
        wanted.channel_id,
        half.seqno,
        half.sent,
        half.body.conditionals_hash,
        half.cited,
        sign(world, wanted.channel_id, half),
        list(wanted.changes),
        [sign(world, wanted.channel_id, receipt) for receipt in wanted.receipts],
    )
