"""What side A says on chain when the service closes alone, and when a loss is shown. Pure: by what the chain shows.

The user's own client and his watchtowers answer alike. They differ in what they may bring: the user signs, so his
newest half goes with the newest of the service; a tower has no key, and brings the newest pair in which the user's half
cites the service's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fairway.channel import codec
from fairway.channel.conditionals import Conditionals
from fairway.channel.dispute import A, B, Dispute, answer, challenge, open_challenge
from fairway.channel.machine import CHAIN_KEY, MARKET_KEYS
from fairway.channel.state import Body, Half, SignedHalf
from fairway.channel.whole import adopt
from fairway.errors import Rejected
from fairway.exchange.claims import next_claim
from fairway.exchange.fills import KEY_BITS
from fairway.exchange.paper import Paper, Promised
from fairway.exchange.reading import is_flat, read_expected
from fairway.ton.cells import Cell
from fairway.ton.channel_view import BodyView, ChannelState, ChannelView
from fairway.ton.merkle import entry_proof
from fairway.ton.vault_messages import LossesView, SignedCell, answer_loss

__all__ = ["Holding", "Pledge", "adoption_of", "answer_of", "challenge_of", "claim_of", "is_answerable", "recall_of"]


@dataclass(frozen=True, slots=True)
class Holding:
    """The pair to answer with, and what its half of the service promises.

    `newer` are digests of bodies that the service has signed after it: whoever closes with one of these is not stale by
    more than this pair could mend.
    """

    a: SignedHalf
    b: SignedHalf
    promised: Conditionals
    newer: frozenset[bytes] = frozenset()


class Pledge(NamedTuple):
    """The newest half of the service that is held, and what it promises: all that a loss is answered with."""

    b: SignedHalf
    promised: Conditionals


def is_answerable(view: ChannelView) -> bool:
    """Whether the service has begun to close alone, and may still be answered."""
    began = view.quarantine is not None and not view.quarantine.started_by_a
    return began and view.state is ChannelState.QUARANTINED


def challenge_of(view: ChannelView, held: Holding, *, unsigned: bool) -> codec.Challenge | None:
    """The challenge by what is `held`; None where there is nothing to answer, or the contract would refuse it."""
    quarantine, channel_id = view.quarantine, held.a.half.channel_id
    if quarantine is None or not is_answerable(view) or _body(quarantine.b).digest() in held.newer:
        return None
    # The chain keeps no citation of a half in quarantine: only its body counts.
    shown = Half(channel_id, _body(quarantine.a)), Half(channel_id, _body(quarantine.b), held.b.half.counterparty)
    dispute = Dispute(shown, B, shown[B], (view.floor_a, view.floor_b), quarantine.challenged)
    pair = answer(dispute, A, held.a.half, held.b.half)
    if pair is None:
        return None
    try:
        if unsigned:
            open_challenge(dispute, pair)
        else:
            challenge(dispute, A, pair)
    except Rejected:
        return None
    return codec.Challenge(channel_id, held.a, held.b)


def adoption_of(view: ChannelView, held: Holding) -> codec.Adopt | None:
    """The adoption of what is `held`, a half of B with the very half that it expects.

    None where that pair stands already, or the contract would refuse it.
    """
    quarantine, channel_id = view.quarantine, held.a.half.channel_id
    root = held.promised.root_cell()
    if quarantine is None or root is None or CHAIN_KEY not in held.promised:
        return None
    shown = Half(channel_id, _body(quarantine.a)), Half(channel_id, _body(quarantine.b))
    # By their numbers: what was claimed of a half changes its body.
    if (shown[A].seqno, shown[B].seqno) == (held.a.half.seqno, held.b.half.seqno):
        return None
    initiator = A if quarantine.started_by_a else B
    dispute = Dispute(shown, initiator, shown[initiator], (view.floor_a, view.floor_b), adopted=quarantine.adopted)
    try:
        adopt(dispute, (held.a.half, held.b.half), read_expected(held.promised))
    except Rejected:
        return None
    return codec.Adopt(held.a, held.b, entry_proof(root, KEY_BITS, CHAIN_KEY))


def recall_of(view: ChannelView, held: Holding) -> codec.Recall | None:
    """The recall of the service's half that is `held`: A's half beside it stands in quarantine, and cites it.

    None where it stands there already, promises nothing, or the contract would refuse it.
    """
    quarantine = view.quarantine
    if CHAIN_KEY not in held.promised or quarantine is None or quarantine.adopted:
        return None
    if _body(quarantine.a) != held.a.half.body:
        return None
    if held.a.half.counterparty != held.b.half.body or quarantine.b.seqno == held.b.half.seqno:
        return None
    return codec.Recall(held.a, held.b)


def claim_of(view: ChannelView, held: Holding, paper: Paper) -> codec.Settle | None:
    """The next message of the claim of all that the service's half in quarantine owes by `paper`; None if none is left.

    None too where nothing is owed, or another half stands there.
    """
    quarantine = view.quarantine
    if quarantine is None:
        return None
    half = Promised(held.promised, quarantine.b.seqno, by_a=False)
    return next_claim(held.a.half.channel_id, half, paper, quarantine.b.conditionals_hash)


def answer_of(name: bytes, losses: LossesView, held: Pledge) -> Cell | None:
    """The vault's message by which less is lost of channel `name` than is announced; None where nothing held says so.

    The newest half is the best there is: what is sent never falls, and what was open before is in what it sent.
    """
    notice, newest = losses.notice, held.b.half
    if notice is None or newest.seqno <= notice.b_seqno:
        return None
    service = SignedCell(held.b.signature, newest.to_cell())
    if not is_flat(held.promised):
        first = min(key for key, _ in held.promised.items())
        return answer_loss(name, service, held.promised.root_cell(), first if first < MARKET_KEYS else None)
    left = max(0, notice.sent_a - newest.sent - losses.moved)
    return answer_loss(name, service) if left < notice.nano else None


def _body(shown: BodyView) -> Body:
    return Body(shown.seqno, shown.sent, shown.conditionals_hash)
