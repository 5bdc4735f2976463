"""Losses that both sides have signed leave a deposit before its channel closes, so that no winner waits for a loser.

Whoever has the pair shows it: the user's half cites exactly a half of the service that owes him nothing but what it
has sent. The loss is announced first; as long as a quarantine lasts, a later promise of the service answers it.
Which of the service's halves counts is the user's choice, among those later than what he cited himself. See
docs/spec/contracts.md, "Losses move early"; contracts/vault_losses.tolk does the same on chain.
"""

from __future__ import annotations

from dataclasses import replace

from fairway.errors import Rejected
from fairway.vault import books as vault
from fairway.vault.state import Account, Books, Notice, Payment

__all__ = ["STAKE", "answer", "show", "slash", "slash_fine", "slash_stake", "take"]

STAKE = 4
"""So many fines of the bond are forfeited when the service signed two things for one; one of them is the user's."""


def show(books: Books, channel_id: int, sent_a: int, sent_b: int, b_seqno: int, due_s: int) -> Books:
    """Announces what a pair has lost: the user sent `sent_a` when he acknowledged `sent_b` in the half `b_seqno`."""
    entry = _live(books, channel_id)
    if entry.notice is not None or b_seqno < entry.seen:
        raise Rejected("vault.notice", "a loss is announced once, and by no older half", b_seqno=b_seqno)
    loss = min(sent_a - sent_b - entry.moved, entry.deposit)
    if loss <= 0:
        raise Rejected("vault.no_loss", "the pair shows no loss that is not moved already", nano=loss)
    return vault.with_account(books, channel_id, replace(entry, notice=Notice(loss, sent_a, b_seqno, due_s)))


def answer(books: Books, channel_id: int, sent_b: int, b_seqno: int, *, promised: bool) -> Books:
    """A later half of the service lowers the announced loss; one that `promised` more than it sent cancels it."""
    entry = vault.account(books, channel_id)
    notice = _notice(entry)
    loss = 0 if promised else max(0, notice.sent_a - sent_b - entry.moved)
    if b_seqno <= notice.b_seqno or loss >= notice.nano:
        raise Rejected("vault.answer", "this half does not lower the loss", b_seqno=b_seqno)
    left = replace(notice, nano=loss) if loss else None
    return vault.with_account(books, channel_id, replace(entry, notice=left, seen=max(entry.seen, b_seqno)))


def take(books: Books, channel_id: int, now_s: int) -> tuple[Books, tuple[Payment, ...]]:
    """Once nobody can answer any more, the loss is free. Of a channel that has ended, the close says what is lost."""
    entry = _live(books, channel_id)
    notice = _notice(entry)
    if now_s < notice.due_s:
        raise Rejected("vault.too_early", "the user still has time to answer", due_s=notice.due_s)
    nano = min(notice.nano, entry.deposit)
    entry = replace(entry, deposit=entry.deposit - nano, moved=entry.moved + nano, notice=None)
    books = vault.with_account(replace(books, protected=books.protected - nano), channel_id, entry)
    return vault.settle_claims(books)


def slash_stake(bond: int, fine: int) -> int:
    """What a lie takes of the bond."""
    return min(bond, STAKE * fine)


def slash_fine(stake: int) -> int:
    """What of it is the wronged user's."""
    return stake // STAKE


def slash(books: Books, channel_id: int, seqno: int, fine: int) -> tuple[Books, tuple[Payment, ...]]:
    """The service signed two things for one: a stake of the bond is free for all, a quarter of it the user's claim."""
    entry, stake = vault.account(books, channel_id), slash_stake(books.bond, fine)
    if seqno in entry.slashed or not stake:
        raise Rejected("vault.slashed", "a lie costs once, while there is a bond", seqno=seqno)
    books = vault.with_account(books, channel_id, replace(entry, slashed=entry.slashed | {seqno}))
    books = vault.wrap_into_sink(replace(books, bond=books.bond - stake), stake)
    return vault.settle_claims(vault.queue_gain(books, entry.wallet, slash_fine(stake)))


def _live(books: Books, channel_id: int) -> Account:
    entry = vault.account(books, channel_id)
    if entry.ended:
        raise Rejected("vault.channel_ended", "the close of this channel says what is lost", channel_id=channel_id)
    return entry


def _notice(entry: Account) -> Notice:
    if entry.notice is None:
        raise Rejected("vault.no_notice", "no loss of this channel is announced")
    return entry.notice
