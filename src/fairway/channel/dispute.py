"""What the contract does with a disputed state, as a pure reference model: quarantine, challenges, payout.

A half is signed by its own side alone, so its beneficiary, the other side, has the choice: the half of X that counts
is chosen by Y among all that are not older than what Y itself has acknowledged. A side's *floor* is that bound.

- R1 Start and challenge raise each side's floor to the seqno that the other half of the message cites.
- R2 A challenge replaces the other side's half by any half at or above that floor.
- R3 The challenger's own half is replaced by the message's only where the quarantined one lies below its floor.
- R4 The initiator is fined once, and only if a half of his with a higher seqno or a higher sum is shown than the one he
  came with.
- R5 The first challenge of the side that did not start is free; every further one must raise a floor.
- R6 The pair that counts is *whole*: B has signed the very half of A, or A the very half of B. A half of B says what
  it expects of A. A `adopt`s: he brings exactly that with it, where it cites A's floor, so that no order which B has
  acknowledged and shown can be left out. Until then anyone may `recall` the half of B that A's half in quarantine
  cites. Both (`fairway.channel.whole`) come after the last challenge too; so neither side mixes one half's gains with
  another's costs.

A challenge that nobody signed (`open_challenge`: a watchtower's) speaks for the side that did not start, until it has
spoken itself, and must bring a co-signed state, the one that side's own half cites: so no invented half comes in by it,
and it leaves that side its free challenge.

The contract does the same, step by step: tests/contracts/test_channel_contract_model.py. The theorem, tested over
random histories in tests/property/test_channel_dispute.py: an honest side that answers by `answer` gets no less from
any start and any later challenge than from an honest start; nothing a cheater brings pays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fairway.channel.state import Half, SignedHalf
from fairway.errors import InvalidMessage, Rejected

__all__ = [
    "A",
    "B",
    "Dispute",
    "Equivocation",
    "Pair",
    "Side",
    "answer",
    "challenge",
    "finish",
    "open_challenge",
    "start",
]

Side: TypeAlias = Literal[0, 1]
Pair: TypeAlias = tuple[Half, Half]

A: Side = 0
B: Side = 1


@dataclass(frozen=True, slots=True)
class Dispute:
    """A `pair` in quarantine (A's half, B's), who started with which half of his, and the `floors` of both sides.

    `adopted`: the pair is one that A adopted.
    """

    pair: Pair
    initiator: Side
    came_with: Half
    floors: tuple[int, int]
    challenged: bool = False
    fined: bool = False
    adopted: bool = False


def start(initiator: Side, pair: Pair, committed: tuple[int, int] = (0, 0)) -> Dispute:
    """Quarantine `pair`; `Rejected` `dispute.outdated` where a half is below its floor (`committed`: so far)."""
    return Dispute(pair, initiator, pair[initiator], _raised(committed, pair))


def challenge(dispute: Dispute, challenger: Side, pair: Pair) -> Dispute:
    """The dispute after `challenger` has shown `pair`.

    Errors: `Rejected` with `dispute.outdated` (below a floor), `dispute.challenged` (nothing more may come without
    raising a floor).
    """
    floors = _raised(dispute.floors, pair)
    first = challenger != dispute.initiator
    if (dispute.challenged or not first) and floors == dispute.floors:  # R5
        raise Rejected("dispute.challenged", "a further challenge raises a floor")
    return replace(_answered(dispute, challenger, pair, floors), challenged=dispute.challenged or first)


def open_challenge(dispute: Dispute, pair: Pair) -> Dispute:
    """The dispute after anyone has shown `pair` for the side that did not start.

    Errors: `Rejected` with `dispute.challenged` (that side has spoken), `dispute.outdated` (below a floor),
    `dispute.uncosigned` (its half does not cite the other one).
    """
    if dispute.challenged:
        raise Rejected("dispute.challenged", "the side that did not start has spoken for itself")
    challenger = _other(dispute.initiator)
    floors = _raised(dispute.floors, pair)
    if pair[challenger].counterparty != pair[dispute.initiator].body:
        raise Rejected("dispute.uncosigned", "an unsigned challenge brings a co-signed state")
    return _answered(dispute, challenger, pair, floors)


def _answered(dispute: Dispute, challenger: Side, pair: Pair, floors: tuple[int, int]) -> Dispute:
    other = _other(challenger)
    shown, own = pair[other], dispute.pair[challenger]
    if own.seqno < floors[challenger]:  # R3
        own = pair[challenger]
    return replace(
        dispute,
        pair=(shown, own) if other == A else (own, shown),  # R2
        floors=floors,
        fined=dispute.fined or (other == dispute.initiator and _is_newer(shown, dispute.came_with)),
        adopted=False,
    )


def _is_newer(shown: Half, came_with: Half) -> bool:
    """R4. Not by the quarantined half: that one the challenger has chosen."""
    return shown.seqno > came_with.seqno or shown.sent > came_with.sent


def finish(dispute: Dispute, deposits: tuple[int, int], claimed: tuple[int, int], fine: int) -> tuple[int, int]:
    """What A and B are paid, nano. `claimed`: what the conditionals of A's and of B's half came to.

    Sums are clamped here and nowhere before: nobody pays more than he has, and all that was deposited is paid out.
    """
    total = sum(deposits)
    (half_a, half_b), (claimed_a, claimed_b) = dispute.pair, claimed
    share_a = deposits[A] - half_a.sent - claimed_a + half_b.sent + claimed_b
    share_a = min(max(share_a, 0), total)
    if dispute.fined:
        share_a += min(fine, total - share_a) if dispute.initiator == B else -min(fine, share_a)
    return share_a, total - share_a


def answer(dispute: Dispute, side: Side, mine: Half, theirs: Half) -> Pair | None:
    """The pair with which an honest `side` challenges, or None where nothing is to be answered.

    `mine` is its newest half, `theirs` the newest half of the other side that it holds and has not refused. The newest
    is taken even where an older one would pay more: what one has acknowledged can always be shown, and would reopen
    the choice. It is shown even where it stands already, but above its floor: through the unsigned door an older one
    could replace it in the last moment.
    """
    other = _other(side)
    spoken = dispute.challenged or side == dispute.initiator
    if dispute.pair[other] == theirs and (spoken or dispute.floors[other] >= theirs.seqno):
        return None
    return (mine, theirs) if side == A else (theirs, mine)


def _raised(floors: tuple[int, int], pair: Pair) -> tuple[int, int]:
    raised = max(floors[A], pair[B].cited), max(floors[B], pair[A].cited)  # R1
    for half, other, floor in zip(pair, reversed(pair), raised, strict=True):
        seen = other.counterparty
        if half.seqno < floor or (seen is not None and half.sent < seen.sent):
            raise Rejected("dispute.outdated", "a half is older than what the other side has seen", floor=floor)
    return raised


def _other(side: Side) -> Side:
    return B if side == A else A


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two halves of one side under one seqno, both signed: proof of fraud that needs nothing else."""

    first: SignedHalf
    second: SignedHalf

    def check(self, key: bytes) -> None:
        """It proves that the owner of `key` equivocated; else `InvalidMessage`."""
        one, two = self.first.half, self.second.half
        if (one.channel_id, one.seqno) != (two.channel_id, two.seqno) or one == two:
            raise InvalidMessage("dispute.evidence", "these halves do not contradict each other", seqno=one.seqno)
        self.first.verify(key)
        self.second.verify(key)
