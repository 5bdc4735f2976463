"""The audit beside a chain with the real contracts: deposits, a partial withdrawal, a close together, an exit alone."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager, closing

import pytest
from audit_stage import write
from client_stage import MARK, MARKET, NETWORK, ORACLES, WITHIN_S, stage
from msgspec.structs import replace
from onchain_stage import market, rich
from test_audit_command import run

from fairway.chain.local import LocalChain
from fairway.chain.purse import Purse
from fairway.chain.router import Router
from fairway.channel.phase import Phase
from fairway.channel.state import Body, Half
from fairway.client.keystore import Keystore
from fairway.client.lender import Lender
from fairway.client.store import Store
from fairway.client.user import User
from fairway.client.wish import Wish
from fairway.crypto import keys
from fairway.exchange import event
from fairway.service import archive
from fairway.service.deploy import Charter, deploy
from fairway.service.keys import Keyring
from fairway.service.watch import Watch
from fairway.ton.address import Address
from fairway.ton.cells import cell_hash
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    WORD_VALUE,
    SignedCell,
    lend,
    pool_value,
    post_bond,
    post_value,
    slash_two_halves,
    withdraw,
)
from fairway.ton.wallet import Transfer
from fairway.units import TON

DAY_S = 86_400


class Seen:
    """The stage's service with eyes on the chain."""

    def __init__(self, service, chain):
        self.service, self.engine = service, service.engine
        self.watch = Watch(chain, service.engine, service.sequencer.submit, service.treasury)
        note = service.note

        def both(happened, effects):
            note(happened, effects)
            self.watch.note(happened, effects)

        service.note = both
        self.task = asyncio.create_task(self.watch.run())

    async def until(self, holds):
        async with asyncio.timeout(WITHIN_S):
            while not holds():  # noqa: ASYNC110 - the engine sets no event
                await asyncio.sleep(0.01)

    async def funded(self, user, nano):
        channel = self.engine.channels[user.session.side.channel_id]
        await self.until(lambda: channel.deposit_a == nano)

    async def closed(self, channel_id):
        await self.until(lambda: self.engine.channels[channel_id].phase is Phase.CLOSED)


@asynccontextmanager
async def trader(chain, service, folder, name):
    keystore = Keystore(keys.derive_seed(b"person", name))
    await chain.fund(Purse(chain, keystore.wallet(), NETWORK).address, 1_000 * TON)
    with closing(Store(folder / "traders" / f"{name}.sqlite")) as store:
        async with User(service.venue, chain, store, keystore, clock_ms=lambda: service.now_ms) as user:
            yield user


async def lender(chain, vault, name):
    purse = Purse(chain, Keystore(keys.derive_seed(b"person", name)).wallet(), NETWORK)
    await chain.fund(purse.address, 1_000 * TON)
    return Lender(chain, purse, vault)


async def live(folder):
    """A day of three traders; the directory as they leave it, its service interrupted."""
    (folder / "chain").mkdir(parents=True)
    (folder / "traders").mkdir()
    router = Router(folder / "chain" / "chain.sqlite")
    chain, keyring = LocalChain(router), Keyring.open(folder / "service")
    await chain.fund(Purse(chain, keyring.operator(), NETWORK).address, 120_000 * TON)
    charter = Charter(NETWORK, [keys.public_key(seed) for seed in ORACLES], 2, pool_seed=100_000 * TON)
    vault = await deploy(chain, keyring, charter, folder / "venue")
    async with stage(folder, vault) as service:
        seen = Seen(service, chain)
        async with (
            trader(chain, service, folder, "alice") as alice,
            trader(chain, service, folder, "bob") as bob,
            trader(chain, service, folder, "carol") as carol,
        ):
            lena = await lender(chain, vault, "lena")
            await lena.lend(500 * TON)
            await seen.until(lambda: seen.engine.venue.lent == 500 * TON)
            for user in (alice, bob, carol):
                await user.deposit(100 * TON)
                await seen.funded(user, 100 * TON)
            await bob.session.place(Wish(MARKET, False, 50, MARK))
            await carol.session.place(Wish(MARKET, True, 50, MARK))
            await carol.session.place(Wish(MARKET, False, 50, MARK * 98 // 100))
            await bob.session.place(Wish(MARKET, True, 50, MARK * 98 // 100))
            await _lie(chain, seen, bob)
            await alice.withdraw_now(10 * TON)
            await seen.until(lambda: not seen.engine.venue.withdrawals.leaving)
            await lena.withdraw(200 * TON)
            await seen.until(lambda: seen.engine.venue.counts.redemptions == 1)
            await _end_all(chain, seen, alice, bob, carol)
        seen.task.cancel()
        await asyncio.gather(seen.task, return_exceptions=True)
    service.sequencer._journal.close()
    router.close()
    shutil.rmtree(folder / "venue")


async def _lie(chain, seen, user):
    """The service has signed two halves under one seqno; somebody shows the vault, and the bond pays."""
    service, side = seen.service, user.session.side
    signer = service.keyring.channel(NETWORK, service.vault, side.replica.opened.key_a)
    halves = [Half(side.setup.channel_id, Body(10**6, sent, bytes(32))) for sent in (1, 2)]
    shown = [SignedCell(signer.sign(half.digest()), half.to_cell()) for half in halves]
    body = slash_two_halves(user.onchain.name, *shown)
    await user.purse.send(Transfer(service.vault, EVIDENCE_VALUE, body))
    await seen.until(lambda: seen.engine.venue.slashed)


async def _end_all(chain, seen, alice, bob, carol):
    old = alice.session.side.channel_id
    async with await alice.withdraw_partially(30 * TON) as again:
        await seen.closed(old)
        await seen.funded(again, 60 * TON)
    await bob.session.countersign()
    await bob.withdraw()
    await seen.closed(bob.session.side.channel_id)
    await carol.leave()
    channel = seen.engine.channels[carol.session.side.channel_id]
    await seen.until(lambda: channel.phase is Phase.QUARANTINED)
    await chain.advance(DAY_S)
    await carol.finish()
    await seen.closed(carol.session.side.channel_id)


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain") / "demo"
    asyncio.run(live(folder))
    return folder


@pytest.fixture
def alone(tmp_path, honest):
    """The chain, and a journal still to be written: no user's record tells."""
    shutil.copytree(honest / "chain", tmp_path / "demo" / "chain")
    return tmp_path / "demo"


def payloads(folder):
    return [entry.payload for entry in archive.entries(folder / "service")]


def with_lie(honest, kind, which=-1, **changes):
    """The journal with an event of `kind` changed, and that event's number."""
    journal = payloads(honest)
    seq = [place for place, payload in enumerate(journal) if isinstance(event.decode(payload), kind)][which]
    before = event.decode(journal[seq])
    journal[seq] = event.encode(
        replace(before, **{name: change(getattr(before, name)) for name, change in changes.items()})
    )
    return journal, seq


def audited(folder, journal):
    """The verdict on `journal` beside the chain; not sealed, since settlements are unproven."""
    write(folder / "service", journal)
    (folder / "service" / archive.MANIFEST).unlink()
    return run(folder)


def test_the_chain_shows_what_the_journal_tells(honest):
    verdict = run(honest)
    assert verdict["verdict"] == "accepted", verdict
    assert verdict["chain"]["payouts"] == 4
    assert verdict["chain"]["transactions"] >= 8
    assert verdict["chain"]["unseen_ends"] == verdict["chain"]["unseen_nano"] == 0
    assert verdict["records"]["channels"] == 4
    examined = verdict["examined"]
    assert examined["unproven"] == examined["settlements"] + examined["lender_moves"]
    assert examined["settlements"] > 0


def test_the_audit_touches_nothing(honest):
    before = {path: path.read_bytes() for path in honest.rglob("*") if path.is_file() and "-shm" not in path.name}
    run(honest)
    assert {path: path.read_bytes() for path in before} == before


def flipped(value):
    return bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize("kind", [event.Funded, event.Closed, event.PaidOut, event.Disputed, event.Slashed])
def test_a_transaction_that_is_not_on_chain_is_named(honest, alone, kind):
    journal, seq = with_lie(honest, kind, transaction=flipped)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.transaction", seq)


def test_a_forged_deposit_is_named(honest, alone):
    more = {"deposit_a": lambda nano: nano + TON, "deposit_b": lambda nano: nano + 10 * TON}
    journal, seq = with_lie(honest, event.Funded, **more)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.deposit", seq)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (event.Lent, {"amount": lambda nano: nano - 1}),
        (event.Lent, {"wallet": lambda _: "0:" + "77" * 32}),
        (event.Left, {"paid": lambda nano: nano - 1}),
        (event.Left, {"held": lambda shares: shares + TON}),
        (event.Left, {"shares": lambda shares: shares - 1}),
    ],
    ids=["less lent", "another's", "less paid", "more held", "fewer given"],
)
def test_a_forged_move_of_a_lender_is_named(honest, alone, kind, changes):
    journal, seq = with_lie(honest, kind, **changes)
    if kind is event.Lent:  # what follows is priced by it
        journal = journal[: seq + 1]
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.lender", seq)


@pytest.mark.parametrize("record", [b"r" * 32, bytes(32)])
def test_a_value_posted_from_a_record_that_nobody_made_is_named(honest, tmp_path, record):
    """The planted lie: the operator says that lenders' shares are worth less than they are."""
    demo = shutil.copytree(honest, tmp_path / "demo")
    vault = event.decode(payloads(demo)[0]).vault
    said = pool_value(Address.parse(vault), 1, 100_000 * TON, record)
    signature = Keyring.open(demo / "service").consent().sign(cell_hash(said))
    asyncio.run(_send(demo, TON // 10, post_value(SignedCell(signature, said))))
    assert run(demo)["code"] == "audit.posted"


def test_a_lender_who_was_never_there_is_named(honest, alone):
    journal, seq = with_lie(honest, event.Lent, transaction=flipped)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.transaction", seq)


def test_a_forged_end_is_named(honest, alone):
    less = {"value_a": lambda nano: nano - TON, "paid": lambda nano: nano - TON}
    journal, seq = with_lie(honest, event.Closed, **less)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.payout", seq)


def test_a_withdrawal_that_was_paid_otherwise_is_named(honest, alone):
    journal, seq = with_lie(honest, event.PaidOut, paid=lambda nano: nano - TON)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.payout", seq)


def test_a_withdrawal_that_no_entry_tells_of_is_named(honest, alone):
    journal = [payload for payload in payloads(honest) if not isinstance(event.decode(payload), event.PaidOut)]
    assert audited(alone, journal)["code"] in {"audit.unseen", "withdraw.pending"}


def test_a_withdrawal_that_nobody_signed_is_named(honest, alone):
    journal = [payload for payload in payloads(honest) if not isinstance(event.decode(payload), event.CommitProposed)]
    assert audited(alone, journal)["verdict"] != "accepted"


def test_a_forged_dispute_is_named(honest, alone):
    journal, seq = with_lie(honest, event.Disputed, seqno_a=lambda seqno: seqno + 5)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.dispute", seq)


def test_another_payout_wallet_than_the_vaults_is_named(honest, alone):
    journal, seq = with_lie(honest, event.Opened, payout=lambda _: "0:" + "77" * 32)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.wallet", seq)


def test_a_seed_that_the_vault_was_never_given_is_named(honest, alone):
    journal, _ = with_lie(honest, event.Founded, insurance_seed=lambda nano: nano + TON)
    verdict = audited(alone, journal)
    assert (verdict["code"], verdict["seq"]) == ("audit.seed", 0)


def test_a_bond_that_the_vault_does_not_have_is_refused(honest, alone):
    journal, _ = with_lie(honest, event.BondPosted, amount=lambda nano: nano + TON)
    assert audited(alone, journal)["code"] == "audit.bond"


def test_an_end_that_the_journal_leaves_out_is_named_or_said_to_be_new(honest, alone):
    journal = payloads(honest)
    ends = [place for place, payload in enumerate(journal) if isinstance(event.decode(payload), event.Closed)]
    verdict = audited(alone, journal[: ends[-1]])
    assert verdict["verdict"] == "accepted"
    assert verdict["chain"]["unseen_ends"] == 1
    assert any("after the last that the journal tells of" in note for note in verdict["notes"])
    shutil.rmtree(alone / "service")
    left_out = [payload for place, payload in enumerate(journal) if place != ends[1]]
    assert audited(alone, left_out)["code"] == "audit.unseen"


def test_a_bond_that_paid_for_a_lie_nobody_tells_of_is_named(honest, alone):
    journal = [payload for payload in payloads(honest) if not isinstance(event.decode(payload), event.Slashed)]
    assert audited(alone, journal)["code"] == "audit.unseen"


def test_what_comes_in_unasked_is_counted_and_what_leaves_by_another_door_is_missed(honest, tmp_path):
    demo = shutil.copytree(honest, tmp_path / "demo")
    asyncio.run(_send(demo, 5 * TON, lend(5 * TON)))
    asyncio.run(_send(demo, 3 * TON, post_bond(3 * TON)))
    verdict = run(demo)
    assert verdict["verdict"] == "accepted"
    assert verdict["chain"]["unseen_nano"] == 3 * TON
    asyncio.run(_send(demo, 0, withdraw(6 * TON)))
    assert run(demo)["code"] == "audit.seed"


async def _send(demo, nano, body):
    """The operator tells the vault something, after the service is gone."""
    founded = event.decode(payloads(demo)[0])
    with closing(Router(demo / "chain" / "chain.sqlite")) as router:
        chain, keyring = LocalChain(router), Keyring.open(demo / "service")
        await Purse(chain, keyring.operator(), NETWORK).send(Transfer(founded.vault, nano + WORD_VALUE, body))


async def test_a_lie_in_a_channel_that_the_service_does_not_know_is_journaled(tmp_path):
    """Its journal lost the channel; the bond paid all the same, and what is posted after that is seen."""
    async with market(tmp_path) as (chain, service):
        seen, person = Seen(service, chain), await rich(chain, service, "alice")
        async with person.at_work() as alice:
            await alice.deposit(100 * TON)
            await seen.funded(alice, 100 * TON)
            await seen.until(lambda: seen.engine.venue.bonded)
            seen.watch._channels.clear()
            before = seen.engine.venue.bonded
            await _lie(chain, seen, alice)
            assert seen.engine.venue.bonded == before - 4 * seen.engine.rules.fine
            operator = Purse(chain, service.keyring.operator(), NETWORK)
            await operator.send(Transfer(service.vault, TON + WORD_VALUE, post_bond(TON)))
            await seen.until(lambda: seen.engine.venue.bonded == before - 4 * seen.engine.rules.fine + TON)
        seen.task.cancel()
        await asyncio.gather(seen.task, return_exceptions=True)
