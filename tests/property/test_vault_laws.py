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
from fairway.vault import losses, pool
from fairway.vault.evidence import Fill, owed_at
from fairway.vault.state import UNITS, Account, Books, Lien, Payment, Pool, Reopening

STEPS = 80
QUARANTINE_S = 3
CHANNELS = 4
LENDERS = (b"lender one", b"lender two")


class History:
    """Books, and beside them what every wallet put in and got back."""

    def __init__(self, seed: int) -> None:
        self.seed, self.random = seed, Random(seed)
        self.books = Books()
        self.brought = self.taken = self.now_s = 0
        self.halves: dict[int, list[tuple[int, int, bool]]] = {}
        self.stakes: Counter[int] = Counter()
        self.counts: Counter[str] = Counter()

    def nano(self) -> int:
        return self.random.choice((1, 7, 1000, self.random.randrange(1, 10**12)))

    def channel(self) -> int:
        return self.random.choice([*self.books.accounts, 0])

    def pay(self, moved: tuple[Books, tuple[Payment, ...]]) -> None:
        self.books, payments = moved
        self.taken += sum(payment.nano for payment in payments)
        if any(payment.wallet in LENDERS for payment in payments):
            assert self.books.free >= self.books.bond
            assert not self.books.claims

    def open(self) -> None:
        if len(self.books.accounts) == (CHANNELS if self.seed % 2 else 1):
            return
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
        before = self.books.pool
        self.pay(pool.lend(self.books, self.random.choice(LENDERS), nano))
        self.brought += nano
        check_share(before, self.books.pool)

    def withdraw(self) -> None:
        wallet, before = self.random.choice(LENDERS), self.books.pool
        held = before.lenders.get(wallet, 0)
        self.pay(pool.withdraw(self.books, wallet, self.random.choice((held, held // 2, held + 1))))
        check_share(before, self.books.pool)

    def post_value(self) -> None:
        last = self.books.pool
        value = last.value + self.random.randrange(-last.value // 3, last.value // 3 + 1)
        self.books = pool.post_value(self.books, last.epoch + 1, value, self.now_s, QUARANTINE_S)

    def trade(self) -> None:
        """Both sign more: each side's sum grows or not, and something may be open."""
        channel_id = self.channel()
        vault.account(self.books, channel_id)
        signed = self.halves.setdefault(channel_id, [(0, 0, False)])
        sent_a, sent_b, _ = signed[-1]
        side = self.random.choice(((self.nano(), 0), (self.nano(), 0), (0, self.nano())))
        signed.append((sent_a + side[0], sent_b + side[1], self.random.random() < 0.2))

    def show(self) -> None:
        """Anyone shows any pair there ever was."""
        channel_id = self.channel()
        signed = self.halves.get(channel_id, [(0, 0, False)])
        at = self.random.choice((self.random.randrange(len(signed)), len(signed) - 1))
        sent_a, sent_b, promised = signed[at]
        if not promised:
            self.books = losses.show(self.books, channel_id, sent_a, sent_b, at, self.now_s + QUARANTINE_S)

    def answer(self) -> None:
        """The operator answers as well, with halves that he makes up: he signs what he likes."""
        channel_id = self.channel()
        entry = vault.account(self.books, channel_id)
        if entry.notice is not None:
            sent_b = entry.notice.sent_a - entry.moved - entry.notice.nano + self.random.choice((0, 1))
            self.books = losses.answer(self.books, channel_id, sent_b, 1 << 60, promised=False)

    def take(self) -> None:
        """The quarantine passes; the user has answered with the newest he has, if that says less."""
        channel_id = self.channel()
        entry = vault.account(self.books, channel_id)
        sent_a, sent_b, promised = self.halves.get(channel_id, [(0, 0, False)])[-1]
        try:
            newest = len(self.halves.get(channel_id, ())) - 1
            self.books = losses.answer(self.books, channel_id, sent_b, newest, promised=promised)
        except Rejected:
            pass
        self.now_s += self.random.choice((1, QUARANTINE_S))
        self.pay(losses.take(self.books, channel_id, self.now_s))
        moved = self.books.accounts[channel_id].moved
        assert not promised
        assert moved <= max(entry.moved, sent_a - sent_b)

    def slash(self) -> None:
        self.pay(losses.slash(self.books, self.channel(), self.random.randrange(3), self.nano()))

    def post_bond(self) -> None:
        nano = self.nano()
        self.pay(pool.post_bond(self.books, nano))
        self.brought += nano

    def repay(self) -> None:
        self.pay(pool.repay(self.books, b"operator", min(self.nano(), max(1, self.books.free))))
        assert self.books.free - self.books.bond >= self.books.pool.value

    def return_bond(self) -> None:
        self.pay(pool.return_bond(self.books, b"operator", self.books.bond))

    def reopen(self) -> None:
        self.books = vault.pre_register(self.books, self.channel(), Reopening(self.channel(), self.nano()))

    def punish(self) -> None:
        self.books = vault.punish(self.books, self.channel(), self.random.randrange(3), Lien(self.nano(), 1))

    def absolve(self) -> None:
        self.books = vault.absolve(self.books, self.channel(), self.random.randrange(3))

    def settle(self) -> None:
        self.pay(vault.settle_claims(self.books))

    def step(self) -> None:
        money = (
            self.wrap, self.come_home, self.come_home, self.lend, self.post_bond, self.repay, self.return_bond,
            self.reopen, self.punish, self.absolve, self.settle, self.withdraw, self.post_value, self.slash,
        )  # fmt: skip
        signed = (self.trade, self.trade, self.show, self.show, self.answer, self.take, self.take)
        moves = (self.open, self.wrap, *(money + signed if self.seed % 2 else signed))
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
    assert sum(books.pool.lenders.values()) == books.pool.shares
    assert min(books.bond, books.sink, books.missing, books.supply) >= 0
    assert books.missing == 0 or books.sink == 0
    for channel_id, entry in books.accounts.items():
        assert entry.deposit + entry.moved >= history.stakes[channel_id]
        check_exit(books, channel_id, entry)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Histories move a few nano at a time."""
    monkeypatch.setattr(pool, "LEAST", 3)


def check_share(before: Pool, after: Pool) -> None:
    """Whoever comes or leaves, a share of those who stay is worth no less."""
    assert after.value * before.shares >= before.value * after.shares


def check_exit(books: Books, channel_id: int, entry: Account) -> None:
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
    counts = sum((walk(seed) for seed in range(120)), Counter())
    assert len(counts) == 18, counts
    assert min(counts.values()) >= 5, counts


ORIGINAL_REDEEM, ORIGINAL_BURN, ORIGINAL_RELEASE = vault._redeem, vault.burn, vault._release
ORIGINAL_SHOW, ORIGINAL_ANSWER, ORIGINAL_TAKE, ORIGINAL_WITHDRAW = (
    losses.show,
    losses.answer,
    losses.take,
    pool.withdraw,
)


def greedy_redeem(books: Books, channel_id: int, entry: Account, units: int, settled: int):
    entry = replace(entry, deposit=units)
    return ORIGINAL_REDEEM(books, channel_id, entry, units, settled)


def burn_of_the_difference(books: Books, taken: int) -> Books:
    """The formula behind the seed: it forgets what was missing."""
    return ORIGINAL_BURN(replace(books, missing=0), taken)


def hasty_release(books: Books, channel_id: int) -> Books:
    """Frees a deposit as soon as anything comes home."""
    entry = books.accounts[channel_id]
    books = replace(books, protected=books.protected - entry.deposit)
    return vault.with_account(books, channel_id, replace(entry, deposit=0))


def bond_that_is_wrapped(books: Books, nano: int):
    units = UNITS * nano
    return vault.settle_claims(
        replace(books, locked=books.locked + nano, bond=books.bond + nano, supply=books.supply + units)
    )


def show_of_what_is_moved_already(books: Books, channel_id: int, *pair: int) -> Books:
    entry = vault.account(books, channel_id)
    shown = ORIGINAL_SHOW(vault.with_account(books, channel_id, replace(entry, moved=0)), channel_id, *pair)
    return vault.with_account(shown, channel_id, replace(shown.accounts[channel_id], moved=entry.moved))


def answer_that_bars_the_next(books: Books, channel_id: int, sent_b: int, b_seqno: int, *, promised: bool) -> Books:
    """Whoever answers with an invented top half leaves the user none to answer with."""
    books = ORIGINAL_ANSWER(books, channel_id, sent_b, b_seqno, promised=promised)
    entry = books.accounts[channel_id]
    notice = replace(entry.notice, b_seqno=b_seqno) if entry.notice else None
    return vault.with_account(books, channel_id, replace(entry, notice=notice))


def answer_that_heeds_no_promise(books: Books, channel_id: int, sent_b: int, b_seqno: int, *, promised: bool) -> Books:
    return ORIGINAL_ANSWER(books, channel_id, sent_b, b_seqno, promised=promised and False)


def take_that_protects_no_less(books: Books, channel_id: int, now_s: int):
    """The loss is free, and the deposit claims it still."""
    deposit = vault.account(books, channel_id).deposit
    books, payments = ORIGINAL_TAKE(books, channel_id, now_s)
    return vault.with_account(books, channel_id, replace(books.accounts[channel_id], deposit=deposit)), payments


def withdraw_that_rounds_up(books: Books, wallet: bytes, shares: int):
    books, payments = ORIGINAL_WITHDRAW(books, wallet, shares)
    return replace(books, pool=replace(books.pool, value=books.pool.value - 1)), payments


def repay_out_of_shares(books: Books, wallet: bytes, nano: int):
    if nano > books.free - books.bond:
        raise Rejected("vault.not_free", "")
    return vault.burn(books, nano), vault.payment(wallet, nano)


@pytest.mark.parametrize(
    ("module", "name", "bug"),
    [
        (vault, "_redeem", greedy_redeem),
        (vault, "burn", burn_of_the_difference),
        (vault, "_release", hasty_release),
        (pool, "post_bond", bond_that_is_wrapped),
        (losses, "show", show_of_what_is_moved_already),
        (losses, "answer", answer_that_bars_the_next),
        (losses, "answer", answer_that_heeds_no_promise),
        (losses, "take", take_that_protects_no_less),
        (pool, "withdraw", withdraw_that_rounds_up),
        (pool, "repay", repay_out_of_shares),
    ],
)
def test_a_planted_bug_breaks_a_law(monkeypatch: pytest.MonkeyPatch, module: object, name: str, bug: object):
    monkeypatch.setattr(module, name, bug)
    with pytest.raises(AssertionError):
        sum((walk(seed) for seed in range(300)), Counter())


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
