"""The examples: each conserves money to the nano, and what its table says is what it claims to show.

A recorded feed is replayed where there is one.
"""

from __future__ import annotations

import pytest
from examples import crash, gap, outage, squeeze, whole_interest
from examples.stage import Stage
from recorded import real

from fairway.exchange.ledger import INSURANCE, POOL, Ledger
from fairway.units import TON


def checked(stage):
    stage.check()
    assert "bystander" in stage.report()
    return stage, stage.changes(), stage.world.engine.venue.counts


def test_a_squeeze_of_the_book_liquidates_nobody_until_the_index_follows():
    stage, changes, counts = checked(squeeze.play())
    assert "0 were liquidated" in stage.lines[0]
    assert counts.liquidations == len(squeeze.SHORTS)
    assert {stage.lots(name) for name in squeeze.SHORTS} == {0}
    assert all(-2 * 60 * TON < changes[name] < 0 for name in squeeze.SHORTS)
    assert changes["whale"] > 0


def test_the_whole_open_interest_is_closed_without_a_buyer_and_nobody_loses_more_than_his_margin():
    stage, changes, counts = checked(whole_interest.play())
    assert stage.interest == 0
    assert counts.liquidations == len(whole_interest.LEVERAGES)
    worth = 100 * 50_000 * 10_000
    for name, leverage in whole_interest.LEVERAGES.items():
        assert 0 < -changes[name] < worth // leverage + TON
    assert changes["bear"] * 40 == changes["bull-slayer"] * 60
    assert changes[POOL] == 0


def test_a_gap_costs_the_losers_their_margins_and_the_fund_nothing():
    stage, changes, counts = checked(gap.play())
    assert (stage.lots("x20"), stage.lots("x10"), stage.lots("x2")) == (0, 0, -100)
    assert counts.deleverages == 2
    assert changes[INSURANCE] >= 0
    margins = {"x20": 100 * 50_000 * 10_000 // 20, "x10": 100 * 50_000 * 10_000 // 10}
    assert all(margin <= -changes[name] < margin + TON // 10 for name, margin in margins.items())


def test_a_silent_oracle_liquidates_nobody_and_lets_everyone_reduce():
    stage, changes, counts = checked(outage.play())
    assert [line.endswith("market.stale.") for line in stage.lines] == [True, False, False, False]
    assert stage.lines[1].endswith("60 lots are left. Liquidated: 0.")
    assert counts.liquidations == 1
    assert changes["other"] == 0


def test_a_flash_crash_with_leverage_conserves_every_nano():
    _, changes, counts = checked(crash.play())
    assert counts.liquidations >= 4
    assert all(changes[name] >= -100 * TON for name in crash.LEVERAGES)


def test_a_recorded_day_with_leverage_conserves_every_nano():
    _, _, counts = checked(crash.play(crash.recorded(real())))
    assert counts.fills >= 40


def test_a_nano_that_goes_astray_is_found(monkeypatch):
    """The planted bug: with each fee a nano comes out of nowhere."""
    move = Ledger.move

    def lossy(ledger, debit, credit, nano, reason, *market):
        move(ledger, debit, credit, nano, reason, *market)
        if reason == "fee":
            ledger.balances["insurance"] += 1
            ledger.balances["world"] -= 1

    monkeypatch.setattr(Ledger, "move", lossy)
    with pytest.raises(Exception, match=r"ledger\.|venue\.|money"):
        gap.play().check()


def test_a_bystander_who_pays_is_found():
    stage: Stage = gap.play()
    balances = stage.world.engine.venue.ledger.balances
    bystander, winner = (stage.names[name].hex() for name in ("bystander", "long"))
    balances[bystander] -= 1
    balances[winner] += 1
    with pytest.raises(AssertionError, match="who had no position"):
        stage.check()
