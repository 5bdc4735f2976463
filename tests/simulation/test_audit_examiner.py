"""The offline verifier accepts what happened and names the first entry that did not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from fairway.audit.examiner import Examiner, Lie
from fairway.exchange import distress, effect, event
from fairway.exchange.entry import GENESIS, link
from fairway.settlement.epoch import prove_epoch
from fairway.settlement.job import is_proven
from fairway.settlement.proof import prove
from fairway.units import TON
from tests.simulation.test_exchange_flow import wander
from tests.simulation.world import World

ENTROPY = bytes(32)


@pytest.fixture(scope="module")
def journal():
    """The journal of a small venue whose settlements are all proven."""
    world = World(11)
    for name in range(4):
        world.join(f"trader {name}", 300 * TON)
    world.lend("0:1e", 500 * TON)
    wander(world, 160)
    world.switch(1, 1)
    world.switch(0, 1)
    world.leave("0:1e", 200 * TON, 500 * TON, 200 * TON)
    world.assess()
    asked = [wanted for wanted in world.effects if isinstance(wanted, effect.ProveRecord)]
    assert len(asked) > 5
    for wanted in asked:
        if not is_proven(wanted.record):
            continue
        proven = prove(wanted.record, ENTROPY)
        world.put(event.Proved(at_ms=world.now_ms, txid=proven.txid, proof=proven.proof))
    records = [record for wanted in asked for record in (*wanted.fills, wanted.record)]
    proof = prove_epoch(records, ENTROPY).encode()
    world.put(event.EpochProved(at_ms=world.now_ms, first=0, last=len(asked), proof=proof))
    return world.journal


def examine(payloads):
    examiner = Examiner()
    for entry in link(GENESIS, 0, payloads):
        examiner.feed(entry)
    return examiner.finish()


def altered(payloads, kind, **changes):
    """The journal with the last event of `kind` changed, relinked as a liar would; and where it stands."""
    place = max(seq for seq, payload in enumerate(payloads) if isinstance(event.decode(payload), kind))
    before = event.decode(payloads[place])
    values = {name: change(getattr(before, name)) for name, change in changes.items()}
    lie = event.encode(replace(before, **values))
    return [*payloads[:place], lie, *payloads[place + 1 :]], place


def flipped(value):
    return bytes([value[0] ^ 1]) + value[1:]


def test_a_deleverage_that_does_not_follow_from_its_record_is_named(monkeypatch):
    fair = distress.allocate
    world = World(5)
    for name in range(12):
        world.join(f"trader {name}", 60 * TON)
    wander(world, 700)
    assert world.engine.venue.counts.deleverages
    examiner = Examiner()
    for entry in link(GENESIS, 0, world.journal):
        examiner.feed(entry)

    def sparing(asked, lots):
        shares = fair(asked, lots)
        return [*shares[1:], shares[0]]

    monkeypatch.setattr(distress, "allocate", sparing)  # planted: not in the order of risk
    with pytest.raises(Lie, match=r"audit\.deleverage"):
        examine(world.journal)


def test_an_honest_journal_is_accepted(journal):
    tally = examine(journal)
    assert tally.entries == len(journal)
    assert tally.proofs == tally.settlements + tally.lender_moves
    assert tally.settlements > 0
    assert tally.lender_moves == 5
    assert tally.ranged_values > 0


def test_a_flipped_byte_anywhere_breaks_the_chain_at_its_entry(journal):
    entries = link(GENESIS, 0, journal)
    for seq in (0, 3, len(entries) // 2, len(entries) - 1):
        examiner = Examiner()
        for entry in entries[:seq]:
            examiner.feed(entry)
        with pytest.raises(Lie) as caught:
            examiner.feed(entries[seq]._replace(payload=flipped(entries[seq].payload)))
        assert (caught.value.seq, caught.value.code) == (seq, "audit.chain")


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (event.Proposed, {"signature": flipped}, "signature.invalid"),
        (event.Proposed, {"sent": lambda sent: sent + 1}, "signature.invalid"),
        (event.Proposed, {"seqno": lambda seqno: seqno + 1}, "signature.invalid"),
        (event.Priced, {"mark": lambda mark: mark + 1}, "signature.invalid"),
        (event.Priced, {"signatures": lambda signed: dict(list(signed.items())[:1])}, "oracle.signers"),
        (event.Opened, {"salt": flipped}, "channel.id"),
        (event.Switched, {"mode": lambda mode: 2 - mode}, "signature.invalid"),
        (event.Switched, {"market": lambda _: None}, "signature.invalid"),
        (event.Switched, {"reason": lambda reason: reason + "!"}, "signature.invalid"),
        (event.Proved, {"proof": lambda proof: proof[:-1] + bytes([proof[-1] ^ 1])}, None),
        (event.Proved, {"txid": flipped}, "settlement.unknown"),
        (event.EpochProved, {"proof": lambda proof: proof[:-1] + bytes([proof[-1] ^ 1])}, None),
        (event.EpochProved, {"last": lambda last: last - 1}, None),
        (event.Funded, {"deposit_a": lambda nano: nano + TON}, "channel.deposit"),
        (event.Funded, {"deposit_b": lambda nano: nano // 10**9}, "channel.deposit"),
    ],
)
def test_a_relinked_lie_is_named(journal, kind, changes, code):
    payloads, place = altered(journal, kind, **changes)
    with pytest.raises(Lie) as caught:
        examine(payloads)
    assert caught.value.seq >= place
    if code is not None:
        assert (caught.value.seq, caught.value.code) == (place, code)


def test_a_dropped_entry_is_missed(journal):
    for place in (1, len(journal) // 3, len(journal) - 2):
        with pytest.raises(Lie):
            examine(journal[:place] + journal[place + 1 :])


def test_a_settlement_that_was_never_proven_is_named(journal):
    unproven = [
        payload for payload in journal if not isinstance(event.decode(payload), event.Proved | event.EpochProved)
    ]
    with pytest.raises(Lie) as caught:
        examine(unproven)
    assert caught.value.code == "audit.unproven"
