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

from dataclasses import replace

from fairway.errors import IllegalTransition, Rejected
from fairway.vault.state import UNITS, Account, Books, Claim, Lien, Payment, Reopening

CLAIMS_PER_MOVE = 4
"""So many who wait are paid by one message; whoever sends another goes on."""


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
    return with_account(books, channel_id, Account(wallet))


def wrap(books: Books, channel_id: int, nano: int) -> Books:
    """Takes TON in and mints (λ+1) units for each nano straight into the channel."""
    entry = account(books, channel_id)
    if entry.ended:
        raise Rejected("vault.channel_ended", "this channel has closed; open a new one", channel_id=channel_id)
    check_positive(nano)
    units = UNITS * nano
    books = replace(books, locked=books.locked + nano, protected=books.protected + nano, supply=books.supply + units)
    entry = replace(entry, deposit=entry.deposit + nano, held=entry.held + units)
    return with_account(books, channel_id, entry)


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
        books = with_account(burn(books, 0), channel_id, entry)
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
    books = with_account(burn(books, covered + prompt), channel_id, entry)
    books = queue_gain(books, entry.wallet, gain - prompt)
    paid = covered + prompt
    if reopening and paid > reopening.payout and not books.accounts[reopening.channel_id].ended:
        books = wrap(books, reopening.channel_id, paid - reopening.payout)
        paid = reopening.payout
    return books, payment(entry.wallet, paid)


def _release(books: Books, channel_id: int) -> Books:
    """Once everything is home, a deposit that was not redeemed has been lost: it protects nobody any more."""
    entry = books.accounts[channel_id]
    if entry.held:
        return books
    books = replace(books, protected=books.protected - entry.deposit)
    return with_account(books, channel_id, replace(entry, deposit=0))


def settle_claims(books: Books) -> tuple[Books, tuple[Payment, ...]]:
    """Pays from free TON, first in, first out, a few at a time; the last may be paid in part.

    Gains come first. When none waits, lenders who leave are paid, and never out of the bond.
    """
    payments: tuple[Payment, ...] = ()
    while len(payments) < CLAIMS_PER_MOVE:
        waiting, room = (books.claims, books.free) if books.claims else (books.pool.exits, books.free - books.bond)
        if not waiting or room <= 0:
            break
        first, *rest = waiting
        nano = min(first.nano, room)
        payments += payment(first.wallet, nano)
        left = (*((Claim(first.wallet, first.nano - nano),) if nano < first.nano else ()), *rest)
        books = replace(books, claims=left) if books.claims else replace(books, pool=replace(books.pool, exits=left))
        books = burn(books, nano)
    return books, payments


def queue_gain(books: Books, wallet: bytes, nano: int) -> Books:
    """Has a gain wait behind all that wait already."""
    return replace(books, claims=(*books.claims, Claim(wallet, nano))) if nano else books


def wrap_into_sink(books: Books, nano: int) -> Books:
    """Counts TON that is there already as taken in, with all its units in the sink: nothing of it is protected."""
    units = UNITS * nano
    return burn(replace(books, supply=books.supply + units, sink=books.sink + units), 0)


def pre_register(books: Books, old_id: int, reopening: Reopening) -> Books:
    """Notes that the next redemption of `old_id` pays out `payout` and wraps the rest into the new channel."""
    entry, fresh = account(books, old_id), account(books, reopening.channel_id)
    if entry.wallet != fresh.wallet or old_id == reopening.channel_id or entry.ended or fresh.ended:
        raise Rejected("vault.reopen", "a reopening joins two live channels of one wallet", channel_id=old_id)
    return with_account(books, old_id, replace(entry, reopening=reopening))


def punish(books: Books, channel_id: int, match_id: int, lien: Lien) -> Books:
    """Enters a proven lien. One per match, and only while the channel is open."""
    entry = account(books, channel_id)
    if match_id in entry.liens or entry.ended:
        raise Rejected("vault.lien", "a match is charged once, while its channel is open", match_id=match_id)
    liens = {**entry.liens, match_id: lien}
    return with_account(books, channel_id, replace(entry, liens=liens, owed=entry.owed + lien.owed))


def absolve(books: Books, channel_id: int, match_id: int) -> Books:
    """Lifts a lien: the user has signed. What a redemption charged meanwhile stays charged."""
    entry = account(books, channel_id)
    if match_id not in entry.liens:
        raise Rejected("vault.no_lien", "nothing is owed for this match", match_id=match_id)
    liens = {key: lien for key, lien in entry.liens.items() if key != match_id}
    owed = max(0, entry.owed - entry.liens[match_id].owed)
    return with_account(books, channel_id, replace(entry, liens=liens, owed=owed))


def rate(books: Books, channel_id: int, units: int) -> tuple[int, int]:
    """What `units` of this channel redeem for, as numerator and denominator: max(0, W − owed) / W, 0/1 at W = 0."""
    if units == 0:
        return 0, 1
    return max(0, units - account(books, channel_id).owed), units


def burn(books: Books, taken: int) -> Books:
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


def with_account(books: Books, channel_id: int, entry: Account) -> Books:
    """The books with one account as it is now."""
    return replace(books, accounts={**books.accounts, channel_id: entry})


def payment(wallet: bytes, nano: int) -> tuple[Payment, ...]:
    """What leaves the vault for `wallet`; nothing leaves as nothing."""
    return (Payment(wallet, nano),) if nano else ()


def check_positive(nano: int) -> None:
    """Errors: `Rejected` (`vault.nano`)."""
    if nano <= 0:
        raise Rejected("vault.nano", "an amount of TON is positive", nano=nano)
