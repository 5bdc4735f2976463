"""What private requests are answered with. Amounts are decimal strings: nano, lots and ticks."""

from __future__ import annotations

from typing import Self

from fairway.exchange.account import Account
from fairway.exchange.live_order import LiveOrder
from fairway.exchange.mandate import Mandate, is_mandated
from fairway.exchange.order_types import name_of
from fairway.exchange.past import Status, status_of
from fairway.exchange.terms import Receipt
from fairway.risk.contract import Contract, Payoff
from fairway.risk.margin import health
from fairway.risk.position import Position
from fairway.service.api.shapes import Shape
from fairway.service.trades import Income, Trade
from fairway.units import div_down

__all__ = [
    "AccountShape",
    "BalanceShape",
    "Countdown",
    "IncomeShape",
    "LeverageShape",
    "MandateShape",
    "OrderShape",
    "PositionShape",
    "ReceiptShape",
    "TradeShape",
]

INCOMES = {
    "profit": "REALIZED_PNL",
    "loss": "REALIZED_PNL",
    "beyond_cap": "REALIZED_PNL",
    "fee": "COMMISSION",
    "rebate": "COMMISSION",
    "liquidation_fee": "INSURANCE_CLEAR",
    "deposit": "TRANSFER",
    "withdrawal": "TRANSFER",
}
"""What clients call the ledger's reasons; the others keep their own names."""


class OrderShape(Shape, frozen=True):
    """One order: `avg_price` is that of its fills, in ticks, rounded down; `mandated`: a sub-key placed it."""

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    price: str
    orig_qty: str
    executed_qty: str
    avg_price: str
    cum_cost: str
    stop_price: str
    reduce_only: bool
    close_position: bool
    good_till_date: int
    status: str
    mandated: bool

    @classmethod
    def of(cls, account: Account, order: LiveOrder, status: Status | None = None) -> Self:
        """The order as it is, or, with a `status`, as it was when it ended."""
        terms = order.terms
        name, force = name_of(terms)
        return cls(
            symbol=account.rules.listing(terms.market).instrument.symbol,
            order_id=terms.key,
            client_order_id=terms.client_id,
            side="BUY" if terms.buy else "SELL",
            type=name.value,
            time_in_force=force.value,
            price=str(terms.limit_tick),
            orig_qty=str(terms.lots),
            executed_qty=str(order.lots),
            avg_price=_average(account.rules.listing(terms.market).contract, order),
            cum_cost=str(order.cost),
            stop_price=str(terms.trigger_tick),
            reduce_only=terms.reduce_only,
            close_position=terms.closes,
            good_till_date=terms.expires_ms,
            status=(status or status_of(order)).value,
            mandated=is_mandated(terms.key),
        )


class TradeShape(Shape, frozen=True):
    """One fill; `receipt` is the hash of what the service signed for it, which has the order's totals."""

    id: int
    symbol: str
    order_id: int
    side: str
    price: str
    qty: str
    maker: bool
    receipt: str
    time: int

    @classmethod
    def of(cls, account: Account, trade: Trade) -> Self:
        """The fill as bots know it."""
        fill = trade.fill
        return cls(
            fill.match_id,
            account.rules.listing(trade.market).instrument.symbol,
            fill.key,
            "BUY" if trade.buy else "SELL",
            str(fill.price),
            str(fill.lots),
            not fill.taker,
            trade.receipt.digest().hex(),
            fill.at_ms,
        )


class ReceiptShape(Shape, frozen=True):
    """What the service signed for a fill (`receipt` of the schema): totals of the order so far, and `signature`.

    `hash` is that of the cell that these fields make, and what is signed.
    """

    order: str
    match_id: int
    maker: str
    lots: str
    cost: str
    fee: str
    base: str
    b_seqno: int
    time: int
    price: str
    hash: str
    signature: str

    @classmethod
    def of(cls, receipt: Receipt, signature: bytes) -> Self:
        """The receipt under the service's `signature`."""
        return cls(
            receipt.order.hex(),
            receipt.match_id,
            receipt.maker.hex(),
            str(receipt.lots),
            str(receipt.cost),
            str(receipt.fee),
            str(receipt.base),
            receipt.b_seqno,
            receipt.at_ms,
            str(receipt.price),
            receipt.digest().hex(),
            signature.hex(),
        )


class IncomeShape(Shape, frozen=True):
    """What moved the channel's money, nano: funding is part of the profit that a close realises."""

    symbol: str
    income_type: str
    income: str
    asset: str
    time: int
    tran_id: int

    @classmethod
    def of(cls, account: Account, income: Income) -> Self:
        """The transfer as bots know it."""
        symbol = account.rules.listing(income.market).instrument.symbol if income.market else ""
        kind = INCOMES.get(income.reason, income.reason.upper())
        return cls(symbol, kind, str(income.nano), "TON", income.at_ms, income.number)


class LeverageShape(Shape, frozen=True):
    """With `leverage` the positions of a market may be worth so much, nano."""

    symbol: str
    leverage: int
    max_notional_value: str


class Countdown(Shape, frozen=True):
    """The orders of a mandate go after so many milliseconds; 0: they stay."""

    symbol: str
    mandate: int
    countdown_time: int


class PositionShape(Shape, frozen=True):
    """What is held of a market: `position_amt` in lots, negative short; the rest in nano, at the newest mark.

    `equity` of a `cross` position is what it has won; what it shares is the account's `cross_margin`.
    """

    symbol: str
    position_amt: str
    entry_cost: str
    margin_type: str
    isolated_margin: str
    liquidation_price: str
    mark_price: str
    equity: str
    maint_margin: str

    @classmethod
    def of(cls, account: Account, market: int, position: Position) -> Self:
        """The position at the newest round."""
        listing, newest = account.rules.listing(market), account.rounds[market]
        now = health(listing.contract, position, newest.mark, newest.funding)
        return cls(
            symbol=listing.instrument.symbol,
            position_amt=str(position.s * position.lots),
            entry_cost=str(position.cost),
            margin_type="cross" if account.is_cross(market) else "isolated",
            isolated_margin=str(position.margin),
            liquidation_price=str(account.touch_tick(market)),
            mark_price=str(newest.mark),
            equity=str(now.equity),
            maint_margin=str(now.maintenance),
        )


class BalanceShape(Shape, frozen=True):
    """The channel's money, nano: `balance` is what could be withdrawn were nothing open, the pot a part of it."""

    asset: str
    balance: str
    available_balance: str
    cross_margin: str

    @classmethod
    def of(cls, account: Account) -> Self:
        """The account's."""
        in_pot = account.pot.margin if account.pot is not None else 0
        return cls("TON", str(account.balance), str(max(0, account.available)), str(in_pot))


class MandateShape(Shape, frozen=True):
    """A mandate of the asking key: `left` of its `reserve`, and the newest number that was used."""

    mandate: int
    slot: int
    symbol: str
    reserve: str
    left: str
    max_qty: str
    leverage: int
    expires: int
    newest_number: int

    @classmethod
    def of(cls, account: Account, mandate: Mandate) -> Self:
        """The mandate as it stands."""
        given = mandate.terms
        return cls(
            mandate=given.key,
            slot=given.slot,
            symbol=account.rules.listing(given.market).instrument.symbol,
            reserve=str(given.reserve),
            left=str(mandate.left),
            max_qty=str(given.max_lots),
            leverage=given.leverage,
            expires=given.expires_ms,
            newest_number=mandate.used.newest,
        )


class AccountShape(Shape, frozen=True):
    """Everything at once."""

    assets: list[BalanceShape]
    positions: list[PositionShape]
    mandates: list[MandateShape]


def _average(contract: Contract, order: LiveOrder) -> str:
    """What the order's lots were filled at on average: ticks and thousandths, "0" where none was."""
    if not order.lots:
        return "0"
    whole, cost = contract.unit * order.lots, abs(order.cost)
    ticks = (cost, whole) if contract.payoff is Payoff.LINEAR else (whole, cost)
    thousandths = div_down(1_000 * ticks[0], ticks[1])
    return f"{thousandths // 1_000}.{thousandths % 1_000:03}"
