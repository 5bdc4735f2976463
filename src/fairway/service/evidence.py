"""What the service shows contracts: the engine's evidence, as the messages that channel and vault understand."""

from __future__ import annotations

from fairway.channel.conditionals import Conditionals
from fairway.channel.state import SignedHalf
from fairway.crypto.keys import Signer
from fairway.errors import IllegalTransition
from fairway.exchange.effect import Absolve, PunishDodge, PunishFill
from fairway.exchange.event import Priced
from fairway.exchange.pricing import round_of
from fairway.exchange.venue import Carrier
from fairway.ton.cells import Cell, to_cell
from fairway.ton.vault_messages import (
    Acknowledgement,
    FillEvidence,
    Promise,
    SignedCell,
    SignedRound,
    absolve,
    punish_fill,
    punish_liquidation,
)

__all__ = ["absolving", "dodge_evidence", "fill_evidence"]


def fill_evidence(network: int, punish: PunishFill, taker: bytes, maker: bytes, signer: Signer) -> Cell:
    """The vault's message for a fill that was not signed; `taker` and `maker` name the channels as the vault does."""
    debt = punish.debt
    receipt = to_cell(debt.receipt.cell())
    evidence = FillEvidence(
        maker_channel=maker,
        taker=_promise(debt.taker, debt.key),
        maker=_promise(debt.maker, debt.maker_key),
        receipt=SignedCell(signer.sign(receipt.hash), receipt),
        before=_round(network, punish.before),
        after=_round(network, punish.after),
    )
    return punish_fill(taker, evidence)


def dodge_evidence(network: int, punish: PunishDodge, channel: bytes) -> Cell:
    """The vault's message for a dodged liquidation."""
    dodge = punish.dodge
    return punish_liquidation(channel, _promise(dodge.carrier, dodge.key), _round(network, dodge.priced))


def absolving(channel: bytes, lifted: Absolve, service: SignedHalf) -> Cell:
    """The vault's message that the user has signed what he owed, as `service` acknowledges."""
    shown = Acknowledgement(_signed(service), lifted.conditionals.root_cell(), lifted.key)
    return absolve(channel, lifted.match_id, shown)


def _promise(carrier: Carrier, key: int) -> Promise:
    return Promise(_signed(carrier.half), _root(carrier.conditionals), key)


def _root(conditionals: Conditionals) -> Cell:
    root = conditionals.root_cell()
    if root is None:
        raise IllegalTransition("evidence.empty", "a half without conditionals carries no order")
    return root


def _signed(half: SignedHalf) -> SignedCell:
    return SignedCell(half.signature, half.half.to_cell())


def _round(network: int, event: Priced) -> SignedRound:
    return SignedRound(to_cell(round_of(network, event).cell()), event.signatures)
