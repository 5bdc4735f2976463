"""A service that signs two things for one pays for it from its bond: the client brings the proof, the books follow."""

import asyncio
from contextlib import closing

from client_stage import MARK, MARKET, NETWORK
from defence_stage import look_until
from msgspec.structs import replace
from onchain_stage import market, rich, shown
from test_audit_chain import Seen
from test_exit_command import PASSPHRASE, served
from typer.testing import CliRunner

from fairway.chain.purse import Purse
from fairway.channel.state import Body, Half
from fairway.cli.app import app
from fairway.client import accusation
from fairway.client.accusation import accusations
from fairway.client.lookout import losses_of
from fairway.client.store import Evidence, Store
from fairway.client.wish import Wish
from fairway.crypto.keys import Signer
from fairway.crypto.sealed import Cost
from fairway.exchange import wire
from fairway.exchange.change import Filled
from fairway.exchange.ledger import BOND, INSURANCE
from fairway.ton.cells import Builder, to_cell
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    PUNISH_FILL,
    TWO_HALVES,
    SignedCell,
    punish_two_halves,
    read_books,
)
from fairway.ton.wallet import Transfer
from fairway.units import TON

LIMIT = MARK * 9 // 10
BUY = Wish(MARKET, True, 20, LIMIT)


def operator(service, user):
    return service.keyring.channel(NETWORK, service.vault, user.session.side.replica.opened.key_a)


def signed(service, user, pushed):
    """`pushed` under the service's true signature, whatever it says."""
    half = user.session.side.replica.half_of_service(pushed)
    return replace(pushed, signature=operator(service, user).sign(half.digest()))


def tampering(service, user, lie):
    """The next push to the user is what `lie` makes of it, signed by the service."""

    def tamper(reply):
        if not isinstance(reply, wire.Pushed) or reply.channel_id != user.session.side.channel_id:
            return reply
        return signed(service, user, lie(reply))

    service.tamper = tamper


async def provoked(user):
    """The user asks for something; his session is over for the lie that answers it."""
    asked = asyncio.ensure_future(user.session.countersign())
    await asyncio.gather(asked, return_exceptions=True)


async def started(chain, service, user):
    await user.deposit(100 * TON)
    await shown(service, user)


async def slashed(chain, service, user):
    return (await losses_of(chain, service.vault, user.onchain.name)).slashed


async def test_a_second_half_under_one_seqno_costs_the_bond_and_the_ledger_follows(tmp_path):
    async with market(tmp_path) as (chain, service):
        person, seen = await rich(chain, service, "alice"), Seen(service, chain)
        async with person.at_work() as alice:
            await started(chain, service, alice)
            await seen.until(lambda: service.engine.venue.bonded)
            posted, fine = service.engine.venue.bonded, service.engine.rules.fine
            await alice.session.place(BUY)
            newest = alice.session.side.replica.newest_b
            tampering(service, alice, lambda pushed: replace(pushed, seqno=newest, sent=pushed.sent + 1))
            before = await alice.purse.balance()
            await provoked(alice)
            assert await look_until(lambda: slashed(chain, service, alice)) == {newest}
            assert await alice.purse.balance() > before + fine - TON // 5
            await seen.until(lambda: service.engine.venue.slashed)
            books = read_books(await chain.run_get(service.vault, "get_books"))
            venue = service.engine.venue
            assert venue.bonded == books.bond == posted - 4 * fine
            assert (venue.ledger.balances[BOND], venue.ledger.balances[INSURANCE]) == (
                posted - 4 * fine,
                1_000 * TON + 3 * fine,
            )
            venue.check()
        seen.task.cancel()
        await asyncio.gather(seen.task, return_exceptions=True)


def late(user, key, service):
    """A fill of the order `key`, long cancelled, under the service's receipt."""

    def lie(pushed):
        change = Filled(key, 77, 20, LIMIT, False, bytes(32), b"", service.now_ms)
        with closing(Store(user._store.path)) as store:
            receipt = accusation._Record(store, pushed.channel_id)._receipt(change, pushed.seqno)
        receipt_signature = operator(service, user).sign(receipt.digest())
        return replace(pushed, changes=[*pushed.changes, change], receipts=[receipt_signature])

    return lie


async def test_a_fill_after_a_cancel_costs_the_bond(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await started(chain, service, alice)
            key = await alice.session.place(BUY)
            await alice.session.cancel(key)
            tampering(service, alice, late(alice, key, service))
            await provoked(alice)
            side = alice.session.side
            assert await look_until(lambda: slashed(chain, service, alice)) == {side.replica.newest_b + 1}
            (kept,) = alice._store.evidence(side.channel_id)
            assert kept.code == "judge.unknown_order"


async def punish(chain, service, user, key, b_seqno, signer):
    """The operator shows the vault, and nobody else, that the order `key` was filled in the half `b_seqno`."""
    with closing(Store(user._store.path)) as store:
        change = Filled(key, 77, 20, LIMIT, False, bytes(32), b"", service.now_ms)
        receipt = accusation._Record(store, user.session.side.channel_id)._receipt(change, b_seqno)
    shown = SignedCell(signer.sign(receipt.digest()), to_cell(receipt.cell()))
    nothing = Builder().end_cell()
    evidence = Builder().store_uint(0, 256).store_ref(nothing).store_ref(nothing).store_ref(shown.to_cell())
    body = Builder().store_uint(PUNISH_FILL, 32).store_uint(0, 64).store_bytes(user.onchain.name)
    operator_purse = Purse(chain, service.keyring.operator(), NETWORK)
    await operator_purse.send(
        Transfer(service.vault, TON // 5, body.store_ref(evidence.store_ref(nothing).end_cell()).end_cell())
    )


async def test_a_late_receipt_that_only_the_vault_is_shown_costs_the_bond(tmp_path):
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await started(chain, service, alice)
            key = await alice.session.place(BUY)
            await alice.session.cancel(key)
            newest, signer = alice.session.side.replica.newest_b, operator(service, alice)
            await punish(chain, service, alice, key, newest - 1, signer)  # from before the cancel: no lie
            await punish(chain, service, alice, key, newest + 1, Signer.of(bytes(32)))  # not the service's
            await punish(chain, service, alice, key, newest + 1, signer)
            assert await look_until(lambda: slashed(chain, service, alice)) == {newest + 1}
            assert not alice._store.evidence(alice.session.side.channel_id)


async def test_what_anybody_could_have_made_up_accuses_nobody(tmp_path):
    """A line forges a half and a receipt; a lie of another kind is evidence for people only."""
    async with market(tmp_path) as (chain, service):
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await started(chain, service, alice)
            key = await alice.session.place(BUY)
            await alice.session.cancel(key)
            side, store = alice.session.side, alice._store
            newest = store.half(side.channel_id, "B", side.replica.newest_b)
            honest = late(alice, key, service)(replace(newest, seqno=newest.seqno + 1))
            for frame in (
                newest,
                replace(newest, sent=newest.sent + 1),
                replace(newest, sent=newest.sent + 1, cites=99),
                replace(honest, receipts=[bytes(64)]),
                replace(honest, seqno=newest.seqno + 2),
                replace(honest, changes=[replace(honest.changes[-1], key=99)]),
            ):
                store.keep_evidence(side.channel_id, Evidence("planted", "planted", wire.encode(frame)))
            assert accusations(store, side.channel_id) == []
            store.keep_evidence(side.channel_id, Evidence("planted", "planted", wire.encode(honest)))
            assert [each.seqno for each in accusations(store, side.channel_id)] == [newest.seqno + 1]


async def test_a_record_accuses_by_the_command_line_and_only_once(tmp_path):
    async with market(tmp_path) as (chain, service), served(chain) as url:
        person = await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await started(chain, service, alice)
            await alice.session.place(BUY)
            side = alice.session.side
            newest = alice._store.half(side.channel_id, "B", side.replica.newest_b)
            body = Body(newest.seqno, newest.sent + 1, newest.conditionals_hash)
            half = Half(side.setup.channel_id, body, side.replica.channel.b.half.counterparty)
            lie = replace(newest, sent=newest.sent + 1, signature=operator(service, alice).sign(half.digest()))
            alice._store.keep_evidence(side.channel_id, Evidence("side.equivocation", "planted", wire.encode(lie)))
        person.keystore.save(tmp_path / "keystore", PASSPHRASE, Cost(1, 8192))
        files = ["--keystore", str(tmp_path / "keystore"), "--record", str(person.path)]

        async def accuse():
            return await asyncio.to_thread(
                CliRunner().invoke, app, ["accuse", *files, "--chain", url], input=f"{PASSPHRASE}\n"
            )

        first, second = await accuse(), await accuse()
        assert first.output.splitlines()[-2:] == [
            "1 lies proven by the record, of 1 kept as evidence",
            f"half {newest.seqno}: the bond has paid",
        ], first.exception
        assert second.output.splitlines()[-1] == f"half {newest.seqno}: paid for before"


async def test_the_service_notes_the_lien_of_a_user_who_signed_twice(tmp_path):
    async with market(tmp_path) as (chain, service):
        person, seen = await rich(chain, service, "alice"), Seen(service, chain)
        async with person.at_work() as alice:
            await started(chain, service, alice)
            side = alice.session.side
            halves = [Half(side.setup.channel_id, Body(9, sent, bytes(32))) for sent in (1, 2)]
            twice = [SignedCell(side._signer.sign(half.digest()), half.to_cell()) for half in halves]
            purse = Purse(chain, service.keyring.operator(), NETWORK)
            body = punish_two_halves(alice.onchain.name, *twice)
            await purse.send(Transfer(service.vault, EVIDENCE_VALUE, body))
            owed = service.engine.venue.owed
            await seen.until(lambda: owed.get(side.channel_id))
            assert owed[side.channel_id] == {TWO_HALVES: service.engine.rules.fine}
        seen.task.cancel()
        await asyncio.gather(seen.task, return_exceptions=True)
