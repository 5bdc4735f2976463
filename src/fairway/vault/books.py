"""The vault's books: wrap, come home, burn, claim, punish. Specified in docs/spec/contracts.md, "The vault".

    locked      TON in the vault: wrapped deposits, losses, lenders' TON and the bond
    protected   Σ open deposits; `locked ≥ protected` whatever anyone does
    free        locked − protected: all that gains, fines and lenders are ever paid from
    tvl         locked − bond; below `protected` by what the bond bridges at the moment
    supply      wrapped units in being = units in channels + `sink`
    missing     units that should be burned and are not home yet

Two laws hold after every move: supply = (λ+1)·tvl + missing, and free ≥ 0. The first is the burn rule; the second is
why nobody is ever paid from another user's open deposit: the service's λ side is room to win in, not money.

Every function returns the new books; `Rejected` means that nothing changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fairway.errors import IllegalTransition, Rejected

LEVERAGE = 10
"""λ: wrapped units on the service's side for each on the user's."""

CLAIMS_PER_MOVE = 4
"""So many waiting gains are paid by one message; whoever sends another goes on."""

UNITS = LEVERAGE + 1
"""Wrapped units for each nano of a deposit."""


@dataclass(frozen=True, slots=True)
class Lien:
    """What a channel owes for one match until its user has signed it; `b_seqno` is the service's half that says so."""

    owed: int
    b_seqno: int


@dataclass(frozen=True, slots=True)
class Reopening:
    """The wallet's word for a close to come: pay out up to `payout`, wrap the rest into `channel_id`."""

    channel_id: int
    payout: int


@dataclass(frozen=True, slots=True)
class Account:
    """One channel in the books. `held` units are in its jetton wallet, so `held = 0` means that all came home."""

    wallet: bytes
    deposit: int = 0
    held: int = 0
    owed: int = 0
    ended: bool = False
    liens: Mapping[int, Lien] = field(default_factory=dict)
    reopening: Reopening | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """TON that leaves the vault now."""

    wallet: bytes
    nano: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A gain that waits its turn for free TON."""

    wallet: bytes
    nano: int


@dataclass(frozen=True, slots=True)
class Books:
    """The whole of the vault's accounting."""

    locked: int = 0
    protected: int = 0
    bond: int = 0
    supply: int = 0
    sink: int = 0
    missing: int = 0
    accounts: Mapping[int, Account] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    @property
    def tvl(self) -> int:
        """TON wrapped and not taken out."""
        return self.locked - self.bond

    @property
    def free(self) -> int:
        """TON that backs no open deposit."""
        return self.locked - self.protected

    @property
    def claimed(self) -> int:
        """TON that waiting gains add up to."""
        return sum(claim.nano for claim in self.claims)


def account(books: Books, channel_id: int) -> Account:
    """The account of a channel; else `Rejected` with `vault.unknown_channel`."""
    try:
        return books.accounts[channel_id]
    except KeyError:
        raise Rejected("vault.unknown_channel", "the vault knows no such channel", channel_id=channel_id) from None


def open_account(books: Books, channel_id: int, wallet: bytes) -> Books:
    """Registers a channel; its payouts go to `wallet` for ever, and its ID is never taken twice."""
    if channel_id in books.accounts:
        raise Rejected("vault.channel_known", "this channel ID was opened before", channel_id=channel_id)
    return _with_account(books, channel_id, Account(wallet))


def wrap(books: Books, channel_id: int, nano: int) -> Books:
    """Takes TON in and mints (λ+1) units for each nano straight into the channel."""
    entry = account(books, channel_id)
    if entry.ended:
        raise Rejected("vault.channel_ended", "this channel has closed; open a new one", channel_id=channel_id)
    _check_positive(nano)
    units = UNITS * nano
    books = replace(books, locked=books.locked + nano, protected=books.protected + nano, supply=books.supply + units)
    entry = replace(entry, deposit=entry.deposit + nano, held=entry.held + units)
    return _with_account(books, channel_id, entry)


def come_home(
    books: Books, channel_id: int, units: int, *, to_sink: bool, ended: bool, settled: int = 0
) -> tuple[Books, tuple[Payment, ...]]:
    """Units return from a channel: the user's share is redeemed, the service's goes to the sink.

    The user is paid his share less his liens: up to his deposit now, a gain when its turn comes. What conditionals took
    from him at the end (`settled`) is not charged again. When the last unit is home, what is left of the deposit is a
    loss and becomes free. Payments stand in the order they are made.
    """
    entry = account(books, channel_id)
    if not 0 <= units <= entry.held:
        raise IllegalTransition("vault.units", "a channel returned units it does not hold", units=units)
    books = replace(books, sink=books.sink + units)
    entry = replace(entry, held=entry.held - units, ended=entry.ended or ended)
    payments: tuple[Payment, ...] = ()
    if to_sink:
        books = _with_account(_burn(books, 0), channel_id, entry)
    else:
        books, payments = _redeem(books, channel_id, entry, units, settled)
    books, later = settle_claims(_release(books, channel_id))
    return books, payments + later


def _redeem(
    books: Books, channel_id: int, entry: Account, units: int, settled: int
) -> tuple[Books, tuple[Payment, ...]]:
    charged = min(units, max(0, entry.owed - settled))
    redeemed = units - charged
    covered = min(redeemed, entry.deposit)
    gain = redeemed - covered
    prompt = 0 if books.claims else min(gain, books.free)
    books = replace(books, protected=books.protected - covered)
    reopening = entry.reopening
    entry = replace(entry, deposit=entry.deposit - covered, owed=entry.owed - charged, reopening=None)
    books = _with_account(_burn(books, covered + prompt), channel_id, entry)
    if gain > prompt:
        books = replace(books, claims=(*books.claims, Claim(entry.wallet, gain - prompt)))
    paid = covered + prompt
    if reopening and paid > reopening.payout and not books.accounts[reopening.channel_id].ended:
        books = wrap(books, reopening.channel_id, paid - reopening.payout)
        paid = reopening.payout
    return books, _payment(entry.wallet, paid)


def _release(books: Books, channel_id: int) -> Books:
    """Once everything is home, a deposit that was not redeemed has been lost: it protects nobody any more."""
    entry = books.accounts[channel_id]
    if entry.held:
        return books
    books = replace(books, protected=books.protected - entry.deposit)
    return _with_account(books, channel_id, replace(entry, deposit=0))


def settle_claims(books: Books) -> tuple[Books, tuple[Payment, ...]]:
    """Pays waiting gains from free TON, first in, first out; the last may be paid in part. A few at a time."""
    payments: tuple[Payment, ...] = ()
    while books.claims and books.free > 0 and len(payments) < CLAIMS_PER_MOVE:
        first, *rest = books.claims
        nano = min(first.nano, books.free)
        payments += _payment(first.wallet, nano)
        left = (Claim(first.wallet, first.nano - nano),) if nano < first.nano else ()
        books = _burn(replace(books, claims=(*left, *rest)), nano)
    return books, payments


def post_bond(books: Books, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """The operator's own TON, first loss; it mints nothing, so what it bridges shows as `missing`."""
    _check_positive(nano)
    return settle_claims(replace(books, locked=books.locked + nano, bond=books.bond + nano))


def lend(books: Books, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """A lender's TON: wrapped like a deposit, but all its units lie in the sink and nothing of it is protected."""
    _check_positive(nano)
    units = UNITS * nano
    books = replace(books, locked=books.locked + nano, supply=books.supply + units, sink=books.sink + units)
    return settle_claims(_burn(books, 0))


def repay(books: Books, wallet: bytes, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """Pays a lender, or the operator's fees: behind every claim, and never out of the bond."""
    _check_positive(nano)
    if books.claims or nano > books.free - books.bond:
        raise Rejected("vault.not_free", "that much TON is not free", nano=nano, free=books.free - books.bond)
    return _burn(books, nano), _payment(wallet, nano)


def return_bond(books: Books, wallet: bytes, nano: int) -> tuple[Books, tuple[Payment, ...]]:
    """The operator's money leaves last: only when no unit is in any channel and no claim waits."""
    _check_positive(nano)
    if books.claims or books.supply > books.sink or nano > min(books.bond, books.free):
        raise Rejected("vault.bond_bound", "the bond stands until every channel is closed and paid", nano=nano)
    books = replace(books, locked=books.locked - nano, bond=books.bond - nano)
    return books, _payment(wallet, nano)


def pre_register(books: Books, old_id: int, reopening: Reopening) -> Books:
    """Notes that the next redemption of `old_id` pays out `payout` and wraps the rest into the new channel."""
    entry, fresh = account(books, old_id), account(books, reopening.channel_id)
    if entry.wallet != fresh.wallet or old_id == reopening.channel_id or entry.ended or fresh.ended:
        raise Rejected("vault.reopen", "a reopening joins two live channels of one wallet", channel_id=old_id)
    return _with_account(books, old_id, replace(entry, reopening=reopening))


def punish(books: Books, channel_id: int, match_id: int, lien: Lien) -> Books:
    """Enters a proven lien. One per match, and only while the channel is open."""
    entry = account(books, channel_id)
    if match_id in entry.liens or entry.ended:
        raise Rejected("vault.lien", "a match is charged once, while its channel is open", match_id=match_id)
    liens = {**entry.liens, match_id: lien}
    return _with_account(books, channel_id, replace(entry, liens=liens, owed=entry.owed + lien.owed))


def absolve(books: Books, channel_id: int, match_id: int) -> Books:
    """Lifts a lien: the user has signed. What a redemption charged meanwhile stays charged."""
    entry = account(books, channel_id)
    if match_id not in entry.liens:
        raise Rejected("vault.no_lien", "nothing is owed for this match", match_id=match_id)
    liens = {key: lien for key, lien in entry.liens.items() if key != match_id}
    owed = max(0, entry.owed - entry.liens[match_id].owed)
    return _with_account(books, channel_id, replace(entry, liens=liens, owed=owed))


def void(books: Books, channel_id: int, match_id: int) -> tuple[Books, tuple[Payment, ...]]:
    """Lifts a lien that the service itself had signed away, and pays the user as much again from the bond."""
    entry = account(books, channel_id)
    books = absolve(books, channel_id, match_id)
    nano = min(entry.liens[match_id].owed, books.bond, books.free)
    books = replace(books, locked=books.locked - nano, bond=books.bond - nano)
    return books, _payment(entry.wallet, nano)


def rate(books: Books, channel_id: int, units: int) -> tuple[int, int]:
    """What `units` of this channel redeem for, as numerator and denominator: max(0, W − owed) / W, 0/1 at W = 0."""
    if units == 0:
        return 0, 1
    return max(0, units - account(books, channel_id).owed), units


def _burn(books: Books, taken: int) -> Books:
    """Takes TON out and burns what the ratio asks for, as far as the sink reaches; the rest stays missing."""
    need = UNITS * taken + books.missing
    burned = min(need, books.sink)
    return replace(
        books,
        locked=books.locked - taken,
        supply=books.supply - burned,
        sink=books.sink - burned,
        missing=need - burned,
    )


def _with_account(books: Books, channel_id: int, entry: Account) -> Books:
    return replace(books, accounts={**books.accounts, channel_id: entry})


def _payment(wallet: bytes, nano: int) -> tuple[Payment, ...]:
    return (Payment(wallet, nano),) if nano else ()


def _check_positive(nano: int) -> None:
    if nano <= 0:
        raise Rejected("vault.nano", "an amount of TON is positive", nano=nano)
