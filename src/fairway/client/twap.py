"""A TWAP at work: a plan in a file, a bot that places its slices, and a report.

The file is written before the service hears of an order, with the order as it was signed. After a crash that order is
sent once more, word for word: the service places it once, or answers how it stands, or refuses it because its time has
passed. So no slice is placed twice, and none is forgotten. Slices are IOC orders: nothing of them rests, whenever
the program ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

import msgspec

from fairway.client.bot import now_ms
from fairway.client.twap_plan import Filled, Marks, Plan, average, cost_ppm
from fairway.errors import UNREADABLE, Rejected, Unavailable
from fairway.exchange.asked import Asked
from fairway.exchange.listing import Listing
from fairway.exchange.mandate import MandateTerms, order_key
from fairway.risk.contract import fill_cost

__all__ = ["Report", "Twap", "TwapFile"]

SAMPLE_MS = 5_000
"""How often the mark is looked at for the report."""
PAUSE_MS = 500
FATAL = frozenset(
    {"request.key", "mandate.unknown", "mandate.key", "mandate.market", "mandate.leverage", "mandate.number"}
)
"""Refusals that no later slice would escape."""
TRY_AGAIN = frozenset({"request.weight", "request.banned", "request.time"})
"""Refusals of the request, not of the order."""


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """Slice `number` goes out, with the mark of that moment."""

    number: int
    mark: int
    order: Asked


class Came(msgspec.Struct, frozen=True, tag="came"):
    """What became of slice `number`: what it filled, or the word with which it was refused or left out."""

    number: int
    filled: Filled
    word: str
    marks: Marks


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The first line of a file."""

    plan: Plan


Line = Begun | Sent | Came


class TwapFile:
    """A plan and how far it has come: lines that are only added, each durable before anything rests on it.

    A last line that a crash cut off was never acted upon. One program at a time has the file.
    """

    def __init__(self, path: Path, lines: list[Line]) -> None:
        (begun, *rest) = lines
        assert isinstance(begun, Begun)
        self.plan = begun.plan
        self.sent: Sent | None = None
        self.came: list[Came] = []
        for line in rest:
            self._take(line)
        self._file = path.open("ab")

    @classmethod
    def begin(cls, path: Path, plan: Plan) -> Self:
        """A new file. Errors: `Rejected` (`twap.plan`), `Unavailable` (`twap.file`) where there is one already."""
        line = msgspec.json.encode(Begun(plan.checked())) + b"\n"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unavailable("twap.file", f"cannot begin {path}: {error.strerror}") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The file as it was left. Errors: `Unavailable` (`twap.file`, `twap.locked`)."""
        try:
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            lines: list[Line] = [msgspec.json.decode(each, type=Line) for each in whole.splitlines()]
            if not lines or not isinstance(lines[0], Begun):
                raise Unavailable("twap.file", f"{path} does not begin with a plan")
            found = cls(path, lines)
            fcntl.flock(found._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found._file.truncate(len(whole))
        except BlockingIOError:
            raise Unavailable("twap.locked", f"another program works on {path}") from None
        except (OSError, *UNREADABLE) as error:
            raise Unavailable("twap.file", f"cannot go on with {path}: {error}") from error
        return found

    def close(self) -> None:
        """Let others have it."""
        self._file.close()

    def add(self, line: Sent | Came) -> None:
        """Write `line` down; `Unavailable` (`twap.file`) where that fails."""
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise Unavailable("twap.file", f"cannot write the plan's file: {error.strerror}") from error
        self._take(line)

    def _take(self, line: Line) -> None:
        if isinstance(line, Came):
            self.sent = None
            self.came.append(line)
        elif isinstance(line, Sent):
            self.sent = line

    @property
    def next(self) -> int:
        """The slice that comes next."""
        return self.came[-1].number + 1 if self.came else 0

    @property
    def filled(self) -> Filled:
        """What all slices filled."""
        return sum((each.filled for each in self.came), Filled())

    @property
    def marks(self) -> Marks:
        """The mark as the newest line has it."""
        return self.came[-1].marks if self.came else Marks()


class Report(msgspec.Struct, frozen=True):
    """How a TWAP went: prices in thousandths of a tick; `cost_ppm`: how much worse than the mark over the time.

    `ended` is `done`, `stopped`, or the word that ended it. `unknown` names the slice whose fate is not known yet.
    """

    name: str
    lots: int
    filled: int
    slices: int
    placed: int
    average: int
    fair: int
    cost_ppm: int
    ended: str
    refused: dict[str, int]
    unknown: int | None = None


class Desk(Protocol):
    """What a TWAP asks of a bot; `client.bot.Bot` is one."""

    @property
    def mandate(self) -> MandateTerms:
        """What it may."""

    @property
    def listing(self) -> Listing:
        """The market of the mandate."""

    def order(self, side: str, kind: str, lots: int, price: int, **more: Any) -> Asked:
        """A signed order."""

    async def place(self, asked: Asked) -> dict[str, Any]:
        """Place it."""

    async def learn(self) -> None:
        """Learn which numbers were used."""

    async def mark(self) -> int:
        """The newest mark."""

    async def trades(self, key: int) -> list[dict[str, Any]]:
        """The fills of an order."""


async def _sleep(ms: int) -> None:
    await asyncio.sleep(ms / 1_000)


class Twap:
    """One plan being carried out. `stop` ends it after the slice under way; nothing is left resting."""

    def __init__(
        self,
        desk: Desk,
        file: TwapFile,
        *,
        clock_ms: Callable[[], int] = now_ms,
        sleep: Callable[[int], Awaitable[None]] = _sleep,
    ) -> None:
        self._desk = desk
        self._file = file
        self._clock_ms = clock_ms
        self._sleep = sleep
        self._marks = file.marks
        self._stopped = False
        if desk.listing.instrument.symbol != file.plan.symbol:
            raise Rejected("mandate.market", "the bot's mandate is for another market", market=desk.mandate.market)

    def stop(self) -> None:
        """Place no further slice."""
        self._stopped = True

    async def run(self) -> Report:
        """Carry the plan out, or on; the report. Errors: `Unavailable` (`twap.file`)."""
        file, plan = self._file, self._file.plan
        if file.sent is not None:
            await self._settle(file.sent, again=True)
            with suppress(Unavailable):  # then the next slice finds its number used, and learns
                await self._desk.learn()
        ended = self._ended()
        while not ended:
            number = file.next
            await self._wait(plan.at_ms(number))
            if not self._stopped:
                await self._slice(number)
            ended = self._ended()
        return self.report(ended)

    def _ended(self) -> str:
        """Why no slice comes any more, or nothing."""
        file = self._file
        if file.filled.lots >= file.plan.lots or file.next >= file.plan.slices:
            return "done"
        if file.came and file.came[-1].word in FATAL:
            return file.came[-1].word
        if file.plan.reduce_only and file.came and file.came[-1].word == "order.reduce_only":
            return "order.reduce_only"
        return "stopped" if self._stopped or file.sent is not None else ""

    async def _wait(self, until_ms: int) -> None:
        """Until then, looking at the mark meanwhile."""
        while not self._stopped and (left_ms := until_ms - self._clock_ms()) > 0:
            await self._look()
            await self._sleep(min(left_ms, SAMPLE_MS))

    async def _look(self) -> int:
        """The mark, noted; 0 where the service does not tell it."""
        try:
            mark = await self._desk.mark()
        except (Unavailable, Rejected):
            return 0
        self._marks = self._marks.seen(mark, self._clock_ms())
        return mark

    async def _slice(self, number: int) -> None:
        plan, listing = self._file.plan, self._desk.listing
        ends_ms = min(plan.ends_ms(number), self._desk.mandate.expires_ms)
        if self._clock_ms() >= ends_ms:
            self._leave_out(number, "twap.late")
            return
        mark = await self._look()
        limit = plan.limit(listing, mark) if mark else 0
        if not limit:
            self._leave_out(number, "market.no_price")
            return
        lots = plan.size(listing, number, self._file.filled.lots, limit)
        if not lots:
            self._leave_out(number, "twap.small")
            return
        try:
            order = self._desk.order(
                "BUY" if plan.buy else "SELL",
                "LIMIT",
                lots,
                limit,
                time_in_force="IOC",
                good_till_date=ends_ms,
                leverage=plan.leverage,
                reduce_only=plan.reduce_only,
                new_client_order_id=f"{plan.name}-{number}",
            )
        except Rejected as refusal:
            self._leave_out(number, refusal.code)
            return
        sent = Sent(number, mark, order)
        self._file.add(sent)
        await self._settle(sent)

    def _leave_out(self, number: int, word: str) -> None:
        self._file.add(Came(number, Filled(), word, self._marks))

    async def _settle(self, sent: Sent, *, again: bool = False) -> None:
        """Send an order until its fate is known. Once its time has passed it is placed no more, so this ends.

        Stopped while nobody answers, it stays in the file as sent.
        """
        while True:
            try:
                filled, word = await self._place(sent.order, again=again)
            except Unavailable:
                if self._stopped:
                    return
                again = True
                await self._sleep(PAUSE_MS)
                continue
            self._file.add(Came(sent.number, filled, word, self._marks))
            return

    async def _place(self, order: Asked, *, again: bool) -> tuple[Filled, str]:
        """What the order filled, or the word with which it was refused.

        A number that was used is its own, if it was sent before, and so old that only its fills are remembered; else
        somebody else orders under this mandate too.
        """
        try:
            placed = await self._desk.place(order)
        except Rejected as refusal:
            if refusal.code in TRY_AGAIN:
                raise Unavailable(refusal.code, refusal.message) from refusal
            if refusal.code != "mandate.used":
                return Filled(), refusal.code
            if not again:
                await self._desk.learn()
                return Filled(), refusal.code
            fills = await self._desk.trades(order_key(order.slot, order.number))
            return self._of_fills(fills), ""
        return Filled(int(placed["executedQty"]), int(placed["cumCost"])), ""

    def _of_fills(self, fills: list[dict[str, Any]]) -> Filled:
        contract, s = self._desk.listing.contract, 1 if self._file.plan.buy else -1
        each = ((int(fill["qty"]), int(fill["price"])) for fill in fills)
        return sum((Filled(lots, fill_cost(contract, s, lots, price)) for lots, price in each), Filled())

    def report(self, ended: str) -> Report:
        """How it went so far."""
        file, contract = self._file, self._desk.listing.contract
        plan, filled = file.plan, file.filled
        paid, fair = average(contract, filled), self._marks.average
        refused: dict[str, int] = {}
        for each in file.came:
            if each.word:
                refused[each.word] = refused.get(each.word, 0) + 1
        return Report(
            name=plan.name,
            lots=plan.lots,
            filled=filled.lots,
            slices=plan.slices,
            placed=sum(not each.word for each in file.came),
            average=paid,
            fair=fair,
            cost_ppm=cost_ppm(buy=plan.buy, paid=paid, fair=fair) if paid and fair else 0,
            ended=ended,
            refused=refused,
            unknown=file.sent.number if file.sent is not None else None,
        )
