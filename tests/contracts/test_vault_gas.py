"""What the vault's messages about losses, lies and lenders cost: the page says it, the contract is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from vault_case import POSITION_KEY, holding, position
from vault_pairs import QUARANTINE_S, answer, flat, half_of, late_receipt, post, show, slash, take
from vault_stage import ORDER_CODE, TREASURY, Stage, address, succeeded

from fairway.channel.state import Body, Half
from fairway.ton.vault_messages import (
    EVIDENCE_VALUE,
    WORD_VALUE,
    lend,
    pay_claims,
    post_bond,
    punish_two_halves,
    withdraw,
)
from fairway.units import TON

PAGE = Path(__file__).parents[2] / "docs/spec/contracts.md"
EVIDENCE = {"show a loss", "answer a loss", "take a loss", "slash, two halves", "slash, a late receipt"}
GAS_PRICE = 400
"""Nano for a unit of gas in a basechain account."""


class Meter:
    """A vault with a lender, a bond and two channels; gas by what was told it."""

    def __init__(self) -> None:
        self.stage, self.spent = Stage(), {}
        self.alice, self.bob = self.stage.opened("alice", 10 * TON), self.stage.opened("bob", 10 * TON)

    def measure(self) -> dict[str, int]:
        self._lenders()
        self._losses()
        self._lies()
        return self.spent

    def _note(self, what: str, done) -> None:
        self.spent[what] = succeeded(done)[0].gas_used

    def _lenders(self) -> None:
        stage = self.stage
        self._note("post bond", stage.word(TREASURY, post_bond(5 * TON), 5 * TON + WORD_VALUE))
        self._note("lend", stage.word(address("lender"), lend(10 * TON), 10 * TON + WORD_VALUE))
        self._note("post value", post(stage, 1, 9 * TON))
        self._note("withdraw", stage.word(address("lender"), withdraw(4 * TON)))
        self._note("pay claims, nobody waits", stage.word(address("anyone"), pay_claims()))

    def _losses(self) -> None:
        stage, alice = self.stage, self.alice
        self._note("show a loss", show(stage, alice, 5 * TON, 0, 3, flat(ORDER_CODE)))
        self._note("answer a loss", answer(stage, alice, TON, 4, flat(ORDER_CODE)))
        stage.router.advance(QUARANTINE_S)
        self._note("take a loss", take(stage, alice))
        succeeded(show(stage, alice, 6 * TON, 0, 5))
        self._note("answer, with a position", answer(stage, alice, 0, 6, holding(POSITION_KEY, position(alice))))

    def _lies(self) -> None:
        stage, bob = self.stage, self.bob
        self._note("slash, two halves", slash(stage, bob, 7))
        self._note("slash, a late receipt", late_receipt(stage, bob))
        twice = [half_of(bob.key, Half(bob.channel_id, Body(9, sent, bytes(32)))) for sent in (1, 2)]
        body = punish_two_halves(bob.channel, *twice)
        self._note("punish, two halves", stage.word(address("anyone"), body, EVIDENCE_VALUE))


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    return Meter().measure()


def said() -> dict[str, int]:
    section = PAGE.read_text().partition("### What its messages cost")[2].partition("\n### ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    return {what: int(gas.replace(",", "")) for what, gas in cells[2:]}


def test_the_page_says_what_each_message_costs(measured: dict[str, int]):
    assert said() == measured


def test_what_is_attached_to_evidence_pays_for_it_more_than_five_times(measured: dict[str, int]):
    assert measured.keys() >= EVIDENCE
    assert max(measured[what] for what in EVIDENCE) * GAS_PRICE * 5 < EVIDENCE_VALUE
