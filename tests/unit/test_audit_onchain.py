"""The audit's comparison with the chain: every kind of fact that differs is named by the entry that told it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairway.audit.lie import Lie
from fairway.audit.onchain import ChainClaims, ChannelFacts, HomeComing, TopUp, VaultFacts
from fairway.exchange import event
from fairway.exchange.ledger import BOND, INSURANCE, POOL, WORLD, Ledger, user
from fairway.exchange.listing import default_listings

CHANNEL, WALLET, MATCH = b"c" * 16, "0:" + "22" * 32, 7
FUNDED, PUNISHED, ABSOLVED, ENDED = (bytes([name]) * 32 for name in (1, 2, 3, 4))
POOL_SEED, INSURANCE_SEED, DEPOSIT, VALUE, OWED, BONDED, FINE = 1_000, 100, 50, 60, 5, 30, 2
SLASHED = bytes([5]) * 32


def founded():
    return event.Founded(
        at_ms=0,
        network=-3,
        vault=WALLET,
        oracle_keys=[],
        oracle_threshold=0,
        listings=default_listings(),
        ratio=10,
        fine=FINE,
        storage_fee=0,
        quarantine_s=1,
        settling_s=1,
        patience_ms=1,
        pool_seed=POOL_SEED,
        insurance_seed=INSURANCE_SEED,
        secret=b"",
    )


def rate(owed, transaction):
    return event.RateSet(at_ms=0, channel_id=CHANNEL, match_id=MATCH, owed=owed, transaction=transaction)


def story(*between, paid=VALUE - OWED):
    """A channel opened, funded, judged as `between` says, and closed; with what the ledger makes of it."""
    claims, ledger = ChainClaims(), Ledger()
    opened = event.Opened(at_ms=0, channel_id=CHANNEL, key_a=b"", key_b=b"", salt=b"", payout=WALLET, signature=b"")
    deposited = event.Funded(at_ms=0, channel_id=CHANNEL, deposit_a=DEPOSIT, deposit_b=10 * DEPOSIT, transaction=FUNDED)
    closed = event.Closed(at_ms=0, channel_id=CHANNEL, value_a=VALUE, value_b=490, paid=paid, transaction=ENDED)
    for seq, happened in enumerate((founded(), opened, deposited, *between, closed)):
        claims.note(seq, happened)
    ledger.move(WORLD, POOL, POOL_SEED, "seed")
    ledger.move(WORLD, INSURANCE, INSURANCE_SEED, "seed")
    ledger.move(WORLD, user(CHANNEL), DEPOSIT, "deposit")
    ledger.move(POOL, user(CHANNEL), VALUE - DEPOSIT, "gain")
    ledger.move(user(CHANNEL), WORLD, paid, "withdrawal")
    return claims, ledger


def channel(**changes):
    facts = ChannelFacts(WALLET, {FUNDED: 10}, [TopUp(0, 0, 0), TopUp(10, DEPOSIT, 10 * DEPOSIT)], (), {MATCH: OWED})
    return {CHANNEL: replace(facts, **changes)}


def vault(**changes):
    facts = VaultFacts(
        locked=POOL_SEED + INSURANCE_SEED + DEPOSIT - VALUE + OWED,
        bond=0,
        wrapped=DEPOSIT,
        lent=POOL_SEED + INSURANCE_SEED,
        claims={},
        paid_later={},
        homes=[HomeComing(30, ENDED, CHANNEL, VALUE, VALUE - OWED, OWED)],
        judgements={PUNISHED: CHANNEL, ABSOLVED: CHANNEL},
        slashings={},
        transactions={PUNISHED: 20, ABSOLVED: 25, ENDED: 30},
    )
    return replace(facts, **changes)


def check(told, shown=None, channels=None):
    claims, ledger = told
    return claims.check(shown or vault(), channels or channel(), ledger)


def refused(*arguments):
    with pytest.raises(Lie) as caught:
        check(*arguments)
    return caught.value.code, caught.value.seq


def test_an_end_less_its_lien_is_accepted():
    compared = check(story(rate(OWED, PUNISHED)))
    assert (compared.transactions, compared.payouts, compared.unseen_ends) == (3, 1, 0)


def test_a_judgement_the_vault_never_made_is_named():
    assert refused(story(rate(OWED, FUNDED))) == ("audit.transaction", 3)
    assert refused(story(rate(OWED, PUNISHED)), vault(judgements={PUNISHED: b"d" * 16})) == ("audit.transaction", 3)


def test_a_lien_of_another_sum_is_named():
    only = vault(judgements={PUNISHED: CHANNEL})
    assert refused(story(rate(OWED + 1, PUNISHED)), only) == ("audit.lien", 3)
    assert refused(story(rate(0, PUNISHED)), only) == ("audit.lien", 3)


def test_a_lien_lifted_after_the_journals_end_is_no_lie():
    assert check(story(rate(OWED, PUNISHED)), vault(), channel(liens={})).payouts == 1


def test_a_payout_that_was_not_sent_whole_is_named():
    short = vault(homes=[HomeComing(30, ENDED, CHANNEL, VALUE, VALUE - OWED - 1, OWED)])
    assert refused(story(rate(OWED, PUNISHED)), short) == ("audit.payout", 4)


@pytest.mark.parametrize("charged", [OWED - 1, OWED + 1])
def test_a_payout_less_another_sum_than_the_vault_charged_is_named(charged):
    other = vault(homes=[HomeComing(30, ENDED, CHANNEL, VALUE, VALUE, charged)])
    assert refused(story(rate(OWED, PUNISHED)), other) == ("audit.payout", 4)


def test_the_rest_of_a_gain_may_wait_its_turn_or_have_come_later():
    late = [HomeComing(30, ENDED, CHANNEL, VALUE, DEPOSIT, OWED)]
    waiting = vault(homes=late, claims={WALLET: 5}, locked=vault().locked + 5)
    assert check(story(rate(OWED, PUNISHED)), waiting).payouts == 1
    assert check(story(rate(OWED, PUNISHED)), vault(homes=late, paid_later={WALLET: 5})).payouts == 1
    another = vault(homes=late, paid_later={"0:" + "33" * 32: 5})
    assert refused(story(rate(OWED, PUNISHED)), another) == ("audit.payout", 4)


@pytest.mark.parametrize("nano", [-1, 1])
def test_a_vault_that_holds_another_sum_is_refused(nano):
    assert refused(story(rate(OWED, PUNISHED)), vault(locked=vault().locked + nano)) == ("audit.locked", 4)


def test_less_wrapped_than_all_deposits_is_refused():
    assert refused(story(rate(OWED, PUNISHED)), vault(wrapped=DEPOSIT - 1))[0] == "audit.deposit"


def test_a_bond_smaller_than_the_ledgers_is_refused():
    told = bonded(story(rate(OWED, PUNISHED)))
    assert refused(told, vault(bond=BONDED - 1, locked=vault().locked + BONDED - 1))[0] == "audit.bond"
    assert check(told, vault(bond=BONDED + 2, locked=vault().locked + BONDED + 2)).unseen_nano == 2


def bonded(told, *, slashed=None):
    """The same with a bond, and with a stake of it that the journal says was taken by the transaction `slashed`."""
    claims, ledger = told
    claims.note(9, event.BondPosted(at_ms=0, amount=BONDED, transaction=bytes(32)))
    ledger.move(WORLD, BOND, BONDED, "bond")
    if slashed is not None:
        claims.note(10, event.Slashed(at_ms=0, channel_id=CHANNEL, transaction=slashed))
        ledger.move(BOND, WORLD, FINE, "slashed")
        ledger.move(BOND, INSURANCE, 3 * FINE, "slashed")
    return claims, ledger


def lied(**changes):
    """A vault whose bond has paid a stake at `SLASHED`, a fine of it to the user's wallet."""
    left = BONDED - 4 * FINE
    facts = vault(
        bond=left,
        locked=vault().locked + BONDED - FINE,
        paid_later={WALLET: FINE},
        slashings={SLASHED: CHANNEL},
        transactions={**vault().transactions, SLASHED: 40},
    )
    return replace(facts, **changes)


def test_a_bond_that_paid_for_a_lie_is_accepted_where_the_journal_tells_of_it():
    told = bonded(story(rate(OWED, PUNISHED)), slashed=SLASHED)
    compared = check(told, lied())
    assert (compared.transactions, compared.unseen_nano) == (4, 0)
    waiting = lied(paid_later={}, claims={WALLET: FINE}, locked=lied().locked + FINE)
    assert check(told, waiting).payouts == 1


def test_a_lie_that_the_bond_never_paid_for_is_named():
    told = bonded(story(rate(OWED, PUNISHED)), slashed=SLASHED)
    assert refused(told, lied(slashings={})) == ("audit.transaction", 10)
    assert refused(told, lied(slashings={SLASHED: b"d" * 16})) == ("audit.transaction", 10)


def test_a_bond_that_paid_and_nobody_told_is_named_unless_it_was_after_the_last_that_is_told():
    told = bonded(story(rate(OWED, PUNISHED)))
    compared = check(told, lied())
    assert (compared.unseen_slashings, compared.unseen_nano) == (1, 0)
    early = lied(transactions={**vault().transactions, SLASHED: 15})
    assert refused(told, early) == ("audit.unseen", 1)


def test_a_fine_does_not_hide_a_payout_that_was_not_sent_whole():
    told = bonded(story(rate(OWED, PUNISHED)), slashed=SLASHED)
    short = lied(homes=[HomeComing(30, ENDED, CHANNEL, VALUE, VALUE - OWED - FINE, OWED)])
    assert refused(told, short) == ("audit.payout", 4)


def test_another_payout_wallet_is_named():
    assert refused(story(rate(OWED, PUNISHED)), vault(), channel(payout="0:" + "44" * 32)) == ("audit.wallet", 1)


def test_a_deposit_that_the_chain_shows_only_before_or_never_is_named():
    sooner = [TopUp(5, DEPOSIT, 10 * DEPOSIT), TopUp(8, 2 * DEPOSIT, 20 * DEPOSIT)]
    assert refused(story(rate(OWED, PUNISHED)), vault(), channel(top_ups=sooner)) == ("audit.deposit", 2)
    later = [TopUp(12, DEPOSIT, 10 * DEPOSIT)]
    assert check(story(rate(OWED, PUNISHED)), vault(), channel(top_ups=later)).payouts == 1
