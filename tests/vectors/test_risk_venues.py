"""Figures that other venues print, reproduced by our integers; where our rounding or rule differs, it is said here.

- We round once, down, against the account; 10101, Twilight and BitMEX round to nearest: at most one unit apart.
- Prices are shown on the safe side: a long's up, a short's down; venues that round to nearest are within one tick.
- The venues' printed liquidation prices take maintenance on the *entry* value; ours takes it at the mark. Theirs are
  the price at which what is left above that fixed amount is gone: our bankruptcy price with so much less margin.
- The funding index is rounded down, not toward zero.
"""

import json
from collections.abc import Callable
from fractions import Fraction
from math import floor
from pathlib import Path

import pytest

from fairway.risk.contract import Contract, Payoff, brackets, fee, fill_cost
from fairway.risk.deleverage import score
from fairway.risk.funding import FundingTerms, funding_rate, next_index
from fairway.risk.liquidation import bankruptcy_price
from fairway.risk.margin import Health, initial_requirement, maintenance, unrealised
from fairway.risk.position import Position, closed, opened, outcome
from fairway.units import FUNDING_SCALE, MILLION

VECTORS = json.loads(Path(__file__).with_name("perp-vectors.json").read_text())["vectors"]
ELSEWHERE = {"settlement", "wrap"}  # the clauses of the seed's programs and the vault: not risk
CHECKS: dict[str, Callable[[dict, dict], None]] = {}
SATS = 10**8


def checks(*groups):
    def register(check):
        CHECKS.update(dict.fromkeys(groups, check))
        return check

    return register


def contract(payoff, unit, initial=10_000, mmr=5_000, taker=0):
    return Contract(payoff, int(unit), brackets([(10**18, initial, mmr)]), 0, taker, 0)


def linear(unit=1, **terms):
    return contract(Payoff.LINEAR, unit, **terms)


def inverse(unit=SATS, **terms):
    return contract(Payoff.INVERSE, unit, **terms)


def ppm(rate) -> int:
    value = Fraction(rate) * MILLION
    assert value.denominator == 1
    return int(value)


def side(given) -> int:
    return 1 if given["side"].lower() == "long" else -1


def held(s, lots, cost, margin=0) -> Position:
    return Position(s, lots, int(cost), 0, int(margin))


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["group"] not in ELSEWHERE], ids=lambda v: v["id"])
def test_the_venues_figure_comes_out(vector):
    CHECKS[vector["group"]](vector["input"], vector["expected"])


@checks("adl")
def deleverage_rank(given, expected):
    scores = {}
    for name, s, lots, entry, mark, bankruptcy in given["positions"]:
        sign = side({"side": s})
        margin = sign * (int(entry) - int(bankruptcy)) * int(lots)
        position = held(sign, int(lots), int(lots) * int(entry), margin)
        scores[name] = score(linear(), position, int(mark), 0)
        assert scores[name] == floor(Fraction(expected["pct_lev_score"][name][2]) * MILLION)
    assert sorted(scores, key=scores.get, reverse=True) == expected["order"]


@checks("bankruptcy")
def dydx_bankruptcy(given, expected):
    """Their quote balance is proceeds and margin in one; a lot is the size they close."""
    s = 1 if Fraction(given["size"]) > 0 else -1
    lots = abs(Fraction(given["size"]) / Fraction(given["delta"]))
    entry = 50_000
    position = held(s, int(lots), entry * lots, given["quote_balance"] + s * entry * lots)
    assert bankruptcy_price(linear(), position, 0) == s * expected["delta_quote"]


@checks("fee")
def storm_fee(given, expected):
    value = int(given["margin"]) * int(given["lev"])
    assert fee(linear(10**9, taker=ppm(given["rate"])), 1, value, taker=True) == Fraction(expected["fee"]) * 10**9


@checks("funding")
def damped_rate(given, expected):
    if "P" in given:
        premium, interest, damper, rate = given["P"], given["I"], "0.0005", expected["F"]
    else:
        premium, interest, damper, rate = given["premium"], "0", "0.00025", expected["rate"]
    terms = FundingTerms(ppm(interest), ppm(damper), cap=10_000, interval_ms=28_800_000)
    assert funding_rate(ppm(premium), terms) == ppm(rate)


@checks("funding.integer")
def dydx_index(given, expected):
    if "index" in given:
        position = Position(1, given["quantums"], given["quantums"], given["index0"] * given["quantums"], 0)
        assert outcome(position, linear(), 1, given["index"])[0] == expected["settlement_ppm"]
        return
    scale = 10 ** (given["exponent"] + given["atomic_resolution"] + 12)
    index = next_index(0, linear(scale), given["price"], given["rate8h_ppm"], given["dt_s"], 28_800)
    exact = Fraction(given["rate8h_ppm"] * given["dt_s"] * given["price"] * scale, 28_800 * MILLION)
    assert index == floor(exact * FUNDING_SCALE)
    assert int(exact) == expected["index_delta"]


@checks("integer")
def dydx_quote(given, expected):
    """A negative power of ten is an inverse contract at that price; a long's cost is rounded down, as theirs."""
    terms = inverse(given["subticks"])
    assert fill_cost(terms, 1, given["base"], 10 ** -given["qce"]) == expected["quote"]


@checks("inverse.bankruptcy")
def bybit_cross_bankruptcy(given, expected):
    """They keep the fee of the close apart: it makes what a long must earn back so much larger."""
    bought = Fraction(given["qty"]) / Fraction(given["entry"]) * 10**9
    owed = Fraction(given["qty"]) * (1 + Fraction(given["taker"])) * 10**9 * 100
    position = held(side(given), 1000, bought, Fraction(given["balance"]) * 10**9)
    tick = bankruptcy_price(inverse(owed / 1000), position, 0)
    assert 0 <= tick - Fraction(expected["bankruptcy"]) * 100 <= 1


@checks("inverse.entry")
def harmonic_entry(given, expected):
    position = None
    for lots, price in given["fills"]:
        position = opened(position, inverse(10**12), 1, int(lots), int(price), 0, 0)
    average = Fraction(10**12 * position.lots, position.cost)
    assert abs(average - Fraction(expected["avg"])) < Fraction(1, 1000)


@checks("inverse.funding")
def funding_in_sats(given, expected):
    index = next_index(0, inverse(), given["index"], ppm(given["rate"]), 1, 1)
    lots = given["qty_usd"]
    position = opened(None, inverse(), side(given), lots, given["index"], 0, 0)
    assert -unrealised(inverse(), position, given["index"], index) == expected["fee_sats"]


@checks("inverse.liquidation")
def entry_valued_liquidation(given, expected):
    s, entry = side(given), Fraction(given["entry"])
    lots = 10**4
    value = lots / entry * 10**9
    if "balance" in given:
        margin = Fraction(given["balance"]) * 10**9
        burst = (1 + Fraction(given["taker"])) * lots / (lots / entry + Fraction(given["balance"]))
        margin -= lots * Fraction(given["taker"]) / burst * 10**9
        per_tick = 1 / Fraction(expected["tick"])
    else:
        margin, per_tick = value / int(given["lev"]), 100
    position = held(s, lots, value, margin - value * Fraction(given["mmr"]))
    tick = bankruptcy_price(inverse(10**9 * per_tick), position, 0)
    assert abs(tick - Fraction(expected["liq"]) * per_tick) <= ("balance" not in given)


@checks("inverse.pnl")
def capped_profit(given, expected):
    s, entry, exit_price, lots = side(given), int(given["open"]), int(given["close"]), int(given["qty_usd"])
    leverage = given["lev_long"] if s > 0 else given["lev_short"]
    position = opened(None, inverse(), s, lots, entry, 0, SATS * lots // entry // leverage)
    shut = closed(position, inverse(), lots, exit_price, 0)
    ours = shut.available - shut.margin
    exact = s * SATS * lots * (Fraction(1, entry) - Fraction(1, exit_price))
    assert ours == max(floor(exact), -shut.margin)
    assert 0 <= expected["pnl_sats"] - ours <= 1


@checks("inverse.rounding")
def rounded_once(given, expected):
    """Two ticks a dollar. We round the cost and the profit, once each and on the total, not per contract."""
    entry, exit_price = (int(Fraction(given[name]) * 2) for name in ("entry", "exit"))
    terms = inverse(2 * SATS)
    position = opened(None, terms, 1, given["contracts"], entry, 0, 0)
    ours = unrealised(terms, position, exit_price, 0)
    assert 0 <= expected["unrounded_sats"] - ours <= 2
    each = opened(None, terms, 1, 1, entry, 0, 0)
    assert unrealised(terms, each, exit_price, 0) * given["contracts"] != ours


@checks("linear.liquidation")
def bybit_isolated(given, expected):
    entry = int(given["entry"])
    posted, kept = entry // int(given["lev"]), entry * Fraction(given["mmr"])
    assert {"im": str(posted), "mm": str(kept)}.items() >= {k: v for k, v in expected.items() if k != "liq"}.items()
    position = held(side(given), 1, entry, posted - kept)
    assert bankruptcy_price(linear(), position, 0) == int(expected["liq"])


@checks("liquidation.order")
def dydx_fillable(given, expected):
    """They auction a failing position between bankruptcy and mark; we have no such order. Their arithmetic holds."""
    size, oracle = Fraction(given["size"]), Fraction(given["oracle"])
    value = size * oracle
    need = value * Fraction(given["mmr"])
    factor = min(max(given["ba"] * (1 - (given["quote_balance"] + value) / need), 0), 1)
    assert (value - factor * Fraction(given["smmr"]) * need) / size == int(expected["price"])


@checks("margin.integer")
def dydx_requirement(given, expected):
    """They scale the initial rate by open interest; with that rate, ours are the same integers."""
    scale = Fraction(10) ** (given["exponent"] + given["atomic_resolution"] + 6)
    price, unit = (given["price"], scale) if scale >= 1 else (given["price"] * scale, 1)
    rate = given["im_ppm"]
    if "open_interest" in given:
        width = given["oi_upper_cap"] - given["oi_lower_cap"]
        above = given["open_interest"] * price * unit - given["oi_lower_cap"]
        rate += floor((MILLION - rate) * min(max(Fraction(above) / width, 0), 1))
    mmr = given["im_ppm"] * given["maint_fraction_ppm"] // MILLION
    terms = Contract(Payoff.LINEAR, int(unit), brackets([(10**6, mmr, mmr), (10**18, rate, mmr)]), 0, 0, 0)
    lots, price = given["base_quantums"], int(price)
    assert initial_requirement(terms, lots, price, terms.max_leverage) == expected["imr"]
    assert maintenance(terms, held(1, lots, 0), price) == expected["mmr"]


@checks("margin.tv_tr")
def starkex_withdrawal(given, expected):
    terms, price = linear(initial=40_000, mmr=ppm(given["risk_factor"])), int(given["px"])
    need = maintenance(terms, held(1, 1, 0), price)
    most = int(expected["max_withdraw"])
    assert Health(price - most, need).is_enough
    assert not Health(price - most - 1, need).is_enough


@checks("rounding")
def starkex_rounding(given, expected):
    ours = []
    for raw in map(Fraction, given["raw"]):
        s, lots = (1, 1) if raw < 0 else (-1, 2)
        ours.append(unrealised(linear(), held(s, lots, lots), 1, FUNDING_SCALE // 2))
        assert Fraction(*outcome(held(s, lots, lots), linear(), 1, FUNDING_SCALE // 2)) == raw
    assert (ours, sum(ours)) == (expected["rounded"], expected["minted"])


@checks("tiers")
def binance_deduction(given, expected):
    """The bracket before has the deduction they print when it begins at 40 with a rate of 1.1 % below."""
    floor_n = int(given["floor"]) * 10**9
    rates = (ppm(given["mmr_prev"]), ppm(given["mmr_n"]))
    tiers = brackets([(40 * 10**9, 11_000, 11_000), (floor_n, rates[0], rates[0]), (10**15, rates[1], rates[1])])
    assert tiers[1].deduction == Fraction(given["cum_prev"]) * 10**9
    assert tiers[2].deduction == Fraction(expected["cum"]) * 10**9


@checks("tiers.continuous")
def deribit_requirement(given, expected):
    """Their rate grows with every contract, ours by brackets; at their rate, the same requirement."""
    size, price = int(given["size"]), int(given["price"])
    rate = ppm(Fraction(given["base"]) + size * Fraction(given["slope"]))
    assert rate == ppm(expected["rate"])
    terms = linear(initial=rate, mmr=rate)
    assert maintenance(terms, held(1, size, 0), price) == int(expected["quote"])
    assert Fraction(expected["quote"]) / price == Fraction(expected["coin"])


@checks("twilight")
def twilight(given, expected):
    if "upnl_exact" in expected:
        ours = twilight_profit(given, int(given["entry"]))
        assert ours == floor(Fraction(expected["upnl_exact"]))
        assert 0 <= expected["upnl_rounded"] - ours <= 1
    elif "upnl" in expected:
        terms = inverse(given["position_size"], taker=ppm(Fraction(given["fee_pct"]) / 100))
        fees = [fee(terms, 1, given[name], taker=True) for name in ("entry", "settle")]
        assert fees == [given["open_fee"], expected["close_fee"]]
        payment = twilight_profit(given, given["entry"]) - sum(fees)
        assert (payment, given["im"] + payment) == (expected["payment"], expected["available_margin"])
    elif "payment" in expected:
        shut = closed(held(1, 1, 2 * given["im"], given["im"]), linear(), 1, 1, 0)
        assert (-shut.payment, shut.available) == (expected["payment"], expected["available_margin"])
    else:
        twilight_order(given, expected)


def twilight_profit(given, entry):
    """Their long is ours: what they print as side -1 is the sign of their formula."""
    terms = inverse(given["position_size"])
    position = opened(None, terms, side(given), 1, entry, 0, 0)
    return unrealised(terms, position, int(given["settle"]), 0)


def twilight_order(given, expected):
    terms, posted = inverse(expected["position_size"]), int(given["im_sats"])
    position = opened(None, terms, 1, 1, int(given["entry"]), 0, posted)
    assert position.cost == int(expected["entry_value"])
    assert 0 <= bankruptcy_price(terms, position, 0) - Fraction(expected["bankruptcy_price"]) < 1
    left = held(1, 1, position.cost, posted - int(expected["maintenance_margin"]))
    assert 0 <= bankruptcy_price(terms, left, 0) - Fraction(expected["liquidation_price"]) < 1


def test_every_vector_of_risk_has_a_check():
    assert {vector["group"] for vector in VECTORS} == CHECKS.keys() | ELSEWHERE
