"""The vault's laws on random histories of users, lenders and an operator who colludes with whoever he likes.

A channel may return any split of what it holds: the operator signs whatever a puppet asks for. Each law has a planted
bug that these histories must catch.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.errors import Rejected
from fairway.vault import books as vault
from fairway.vault.books import UNITS, Books, Lien, Payment, Reopening
from fairway.vault.evidence import Fill, owed_at

STEPS = 60


class History:
    """Books, and beside them what every wallet put in and got back."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.books = Books()
        self.brought = self.taken = 0
        self.stakes: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()

    def nano(self) -> int:
        return self.random.choice((1, 7, 1000, self.random.randrange(1, 10**12)))

    def channel(self) -> int:
        return self.random.choice([*self.books.accounts, 0])

    def pay(self, moved: tuple[Books, tuple[Payment, ...]]) -> None:
        self.books, payments = moved
        self.taken += sum(payment.nano for payment in payments)

    def open(self) -> None:
        self.books = vault.open_account(self.books, len(self.books.accounts) + 1, self.random.choice((b"a", b"b")))

    def wrap(self) -> None:
        nano, channel_id = self.nano(), self.channel()
        self.books = vault.wrap(self.books, channel_id, nano)
        self.brought += nano
        self.stakes[channel_id] += nano

    def come_home(self) -> None:
        channel_id = self.channel()
        held = vault.account(self.books, channel_id).held
        units = self.random.choice((held, held // UNITS, self.random.randrange(held + 1)))
        to_sink, ended = self.random.random() < 0.4, self.random.random() < 0.5
        self.pay(vault.come_home(self.books, channel_id, units, to_sink=to_sink, ended=ended))
        if units == held:
            self.stakes[channel_id] = 0
        elif not to_sink:
            self.stakes[channel_id] = max(0, self.stakes[channel_id] - units)

    def lend(self) -> None:
        nano = self.nano()
        self.pay(vault.lend(self.books, nano))
        self.brought += nano

    def post_bond(self) -> None:
        nano = self.nano()
        self.pay(vault.post_bond(self.books, nano))
        self.brought += nano

    def repay(self) -> None:
        self.pay(vault.repay(self.books, b"lender", min(self.nano(), max(1, self.books.free))))

    def return_bond(self) -> None:
        self.pay(vault.return_bond(self.books, b"operator", self.books.bond))

    def reopen(self) -> None:
        self.books = vault.pre_register(self.books, self.channel(), Reopening(self.channel(), self.nano()))

    def punish(self) -> None:
        self.books = vault.punish(self.books, self.channel(), self.random.randrange(3), Lien(self.nano(), 1))

    def absolve(self) -> None:
        self.books = vault.absolve(self.books, self.channel(), self.random.randrange(3))

    def void(self) -> None:
        self.pay(vault.void(self.books, self.channel(), self.random.randrange(3)))

    def settle(self) -> None:
        self.pay(vault.settle_claims(self.books))

    def step(self) -> None:
        moves = (
            self.open, self.wrap, self.wrap, self.come_home, self.come_home, self.lend, self.post_bond, self.repay,
            self.return_bond, self.reopen, self.punish, self.absolve, self.void, self.settle,
        )  # fmt: skip
        move = self.random.choice(moves)
        try:
            move()
        except Rejected:
            return
        self.counts[move.__name__] += 1


def check(history: History) -> None:
    books = history.books
    entries = books.accounts.values()
    assert books.supply == UNITS * books.tvl + books.missing
    assert books.supply == books.sink + sum(entry.held for entry in entries)
    assert books.protected == sum(entry.deposit for entry in entries)
    assert books.free >= 0
    assert books.locked == history.brought - history.taken
    assert min(books.bond, books.sink, books.missing, books.supply) >= 0
    assert books.missing == 0 or books.sink == 0
    for channel_id, entry in books.accounts.items():
        assert entry.deposit >= history.stakes[channel_id]
        check_exit(books, channel_id, entry)


def check_exit(books: Books, channel_id: int, entry: vault.Account) -> None:
    """Whoever leaves now with no more than his deposit, and owes nothing, is paid in full and at once."""
    share = min(entry.deposit, entry.held)
    if entry.owed or entry.reopening or not share:
        return
    _, payments = vault.come_home(books, channel_id, share, to_sink=False, ended=True)
    assert sum(payment.nano for payment in payments if payment.wallet == entry.wallet) >= share


def walk(seed: int) -> Counter[str]:
    history = History(seed)
    for _ in range(STEPS):
        history.step()
        check(history)
    return history.counts


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_the_laws_hold_on_every_history(seed: int):
    walk(seed)


def test_the_histories_do_everything():
    counts = sum((walk(seed) for seed in range(60)), Counter())
    assert len(counts) == 12
    assert min(counts.values()) >= 5, counts


ORIGINAL_REDEEM, ORIGINAL_BURN, ORIGINAL_RELEASE = vault._redeem, vault._burn, vault._release


def greedy_redeem(books: Books, channel_id: int, entry: vault.Account, units: int, settled: int):
    entry = replace(entry, deposit=units)
    return ORIGINAL_REDEEM(books, channel_id, entry, units, settled)


def burn_of_the_difference(books: Books, taken: int) -> Books:
    """The formula behind the seed: it forgets what was missing."""
    return ORIGINAL_BURN(replace(books, missing=0), taken)


def hasty_release(books: Books, channel_id: int) -> Books:
    """Frees a deposit as soon as anything comes home."""
    entry = books.accounts[channel_id]
    books = replace(books, protected=books.protected - entry.deposit)
    return vault._with_account(books, channel_id, replace(entry, deposit=0))


def bond_that_is_wrapped(books: Books, nano: int):
    units = UNITS * nano
    return vault.settle_claims(
        replace(books, locked=books.locked + nano, bond=books.bond + nano, supply=books.supply + units)
    )


@pytest.mark.parametrize(
    ("name", "bug"),
    [
        ("_redeem", greedy_redeem),
        ("_burn", burn_of_the_difference),
        ("_release", hasty_release),
        ("post_bond", bond_that_is_wrapped),
    ],
)
def test_a_planted_bug_breaks_a_law(monkeypatch: pytest.MonkeyPatch, name: str, bug: object):
    monkeypatch.setattr(vault, name, bug)
    with pytest.raises(AssertionError):
        sum((walk(seed) for seed in range(40)), Counter())


@given(
    inverse=st.booleans(),
    lots=st.integers(1, 2**20),
    unit=st.integers(1, 2**40),
    entry=st.integers(1, 2**20),
    exit_tick=st.integers(1, 2**20),
    fee=st.integers(0, 10**9),
)
def test_of_both_sides_of_a_fill_the_loser_owes_and_rounding_never_favours_him(
    inverse: bool, lots: int, unit: int, entry: int, exit_tick: int, fee: int
):
    size, reserve = lots * unit, 1 << 120
    costs = (size // entry, -(-size // entry)) if inverse else (size * entry, size * entry)
    long_owes = owed_at(Fill(inverse, True, unit, lots, costs[0], fee), exit_tick, reserve)
    short_owes = owed_at(Fill(inverse, False, unit, lots, costs[1], fee), exit_tick, reserve)
    fall = size * (entry - exit_tick)
    scale = entry * exit_tick if inverse else 1
    assert long_owes == 0 or (long_owes - fee) * scale >= fall
    assert short_owes == 0 or (short_owes - fee) * scale >= -fall
    assert long_owes > 0 or fall <= 0
    assert short_owes > 0 or fall >= 0
    assert owed_at(Fill(inverse, True, unit, lots, costs[0], fee), exit_tick, 5) <= 5
