"""What one side claims of the other's promises when a channel ends alone: inputs for conditions, and what they owe.

    market_input#_ exit:(Maybe ^Rounds) touched:(Maybe ^SignedRound) fills:(HashmapE 32 ^FillInput) = MarketInput;

One claim values everything of a market in a half: what it holds, and by the newest receipts of their orders the fills
that it does not hold yet (`fairway.exchange.valuation`); another values the pot (`fairway.exchange.pot_claim`). The
exit price is that of the first round at or after the moment that the quarantine's start fixes; the round before it
shows that it is the first. Side B may take a position whole by a round that touched its liquidation price before the
start. What is too dear for one message is claimed by several, each on what the one before it has left.
Pure; user and service alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pytoniq_core import HashMap

from fairway.channel import codec
from fairway.errors import Rejected
from fairway.exchange.fills import KEY_BITS, Evidence, Fill, fills_cell, fills_of, forward
from fairway.exchange.paper import Paper, Promised, Shown, rounds_cell, signed_cell
from fairway.exchange.pot_claim import pot_input
from fairway.exchange.reading import CROSS_KEY, read_cross, read_markets
from fairway.exchange.terms import MarketTerms
from fairway.exchange.valuation import Totals, gained, lost, profit
from fairway.ton.cells import Builder
from fairway.ton.merkle import emptied, whole_proof

__all__ = ["MESSAGE_GAS", "Claim", "claims", "markets", "next_claim"]

MESSAGE_GAS = 850_000
"""What the conditions of one message may burn together: a message burns a million at most."""


class Claim(NamedTuple):
    """One message of a claim: the hash of the promises that it is made on, and what is said."""

    root: bytes
    statement: codec.Settle


def claims(channel_id: int, half: Promised, paper: Paper) -> list[Claim]:
    """The claim of everything in `half` that owes something by `paper`, in as many messages as it needs.

    Each is made on the promises as the one before it leaves them: what was claimed stands there empty. Errors:
    `Rejected` (`claims.nothing`) where nothing is owed.
    """
    owing = {key: each for key, each in sorted(_inputs(half, paper).items()) if each is not None}
    root = half.conditionals.root_cell()
    if root is None or not owing:
        raise Rejected("claims.nothing", "nothing that is promised owes anything that can be shown")
    made = []
    for keys in _messages(owing):
        shown = HashMap(KEY_BITS, value_serializer=lambda value, leaf: leaf.store_cell(value))
        for key in keys:
            shown.set_int_key(key, owing[key].shown)
        made.append(Claim(root.hash, codec.Settle(channel_id, shown.serialize(), whole_proof(root))))
        for key in keys:
            root = emptied(root, KEY_BITS, key)
    return made


def next_claim(channel_id: int, half: Promised, paper: Paper, root: bytes) -> codec.Settle | None:
    """The message of the claim that comes next where the chain shows the promises `root`.

    None where nothing is owed, all is claimed, or `root` comes from another half.
    """
    try:
        made = claims(channel_id, half, paper)
    except Rejected:
        return None
    return next((each.statement for each in made if each.root == root), None)


def _messages(owing: Mapping[int, Evidence]) -> list[list[int]]:
    """The keys message by message, in their order."""
    messages: list[list[int]] = []
    left = 0
    for key, each in owing.items():
        if not messages or each.gas > left:
            messages.append([])
            left = MESSAGE_GAS
        messages[-1].append(key)
        left -= each.gas
    return messages


def markets(half: Promised, paper: Paper) -> set[int]:
    """The markets in which something is held in `half`, or was filled since by `paper`: whose exits a claim needs."""
    held = {terms.market for terms in read_markets(half.conditionals).values() if terms.lots}
    if (pot := half.conditionals.get(CROSS_KEY)) is not None:
        held |= {position.market for position in read_cross(pot).positions}
    return held | {fill.order.terms.market for fill in fills_of(half, paper)}


def _inputs(half: Promised, paper: Paper) -> dict[int, Evidence | None]:
    """By their keys, what the conditions of the pot and of each market are shown: a fill speaks in one of them."""
    fills = fills_of(half, paper)
    alone = [fill for fill in fills if not fill.order.terms.is_cross]
    inputs = {
        key: _input(terms, [fill for fill in alone if fill.order.terms.market == terms.market], half, paper)
        for key, terms in read_markets(half.conditionals).items()
    }
    if (pot := half.conditionals.get(CROSS_KEY)) is not None:
        crossed = [fill for fill in fills if fill.order.terms.is_cross]
        inputs[CROSS_KEY] = pot_input(read_cross(pot), crossed, half, paper)
    return inputs


def _input(terms: MarketTerms, fills: list[Fill], half: Promised, paper: Paper) -> Evidence | None:
    """What the condition of a market is shown; None where it would owe nothing."""
    found = paper.exits.get(terms.market)
    if found is not None:
        mark, funding = found.after.mark, found.after.funding
    elif paper.is_late and terms.mark:
        mark, funding = terms.mark, terms.funding
    else:
        return None
    held = Totals(terms.lots, terms.cost, 0, terms.funding_base)
    value = profit(held, mark, funding, unit=terms.unit, inverse=terms.inverse, long=terms.long)
    forwards = [forward(fill, mark, funding, unit=terms.unit, inverse=terms.inverse) for fill in fills]
    touch = _touch(terms, half, paper)
    if half.by_a:
        owed = lost([value], terms.margin, forwards, touched=touch is not None)
    else:
        owed = gained([value], terms.ratio * terms.margin, terms.ratio, forwards)
    if owed == 0:
        return None
    exits = rounds_cell(paper.network, found) if found is not None else None
    touched = signed_cell(paper.network, touch) if touch is not None else None
    shown = Builder().store_maybe_ref(exits).store_maybe_ref(touched)
    rounds = [*(found or ()), *([touch] if touch is not None else [])]
    return Evidence.of(shown.store_dict(fills_cell(paper.network, fills)).end_cell(), rounds, fills)


def _touch(terms: MarketTerms, half: Promised, paper: Paper) -> Shown | None:
    if not half.by_a or not terms.lots or terms.market in paper.standing:
        return None
    here = (each for each in paper.earlier if each.market == terms.market)
    return next((each for each in here if terms.is_touched(each.mark, each.round_ms)), None)
