"""`fairway twap`: buy or sell a size in slices over a time, with the sub-key of a bot's file.

The plan's file says how far it has come: after a crash `resume` goes on with it, and no slice is placed twice. Ctrl-C
ends it after the slice under way; slices never rest, so nothing is left in the book.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from fairway.client.bot import Bot, now_ms
from fairway.client.twap import Report, Twap, TwapFile
from fairway.client.twap_plan import Plan
from fairway.errors import Rejected
from fairway.units import MILLION

__all__ = ["app"]

app = typer.Typer(name="twap", help="Buy or sell in slices over a time.", no_args_is_help=True)

BotFile = Annotated[Path, typer.Option("--bot", help="What `fairway wallet mandate grant` wrote.", exists=True)]
Service = Annotated[str, typer.Option(help="The service's REST: https://….")]
Side = Annotated[str, typer.Option(help="BUY or SELL.")]


@app.command()
def start(
    plan: Annotated[Path, typer.Argument(help="A new file for the plan and how far it has come.")],
    bot: BotFile,
    service: Service,
    side: Side,
    lots: Annotated[int, typer.Option(help="How much in all.", min=1)],
    seconds: Annotated[int, typer.Option(help="Over how long.", min=1)],
    slices: Annotated[int, typer.Option(help="In how many orders.", min=1)],
    slippage_ppm: Annotated[int, typer.Option(help="How far beyond the mark a slice may pay.")] = 2_000,
    worst: Annotated[int, typer.Option(help="The worst price of all, in ticks; 0: none.")] = 0,
    leverage: Annotated[int, typer.Option(help="Of what it opens.")] = 1,
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="Only close; end when nothing is held.")] = False,
    jitter_ppm: Annotated[int, typer.Option(help="How far a slice strays within its part of the time.")] = 500_000,
    catch_up: Annotated[int, typer.Option(help="How many slices' size at most make up for unfilled ones.")] = 3,
    seed: Annotated[int | None, typer.Option(help="Draws the jitter; one of its own if not given.")] = None,
    name: Annotated[str, typer.Option(help="What the orders are called, with a number behind.")] = "",
) -> None:
    """Begin a plan and carry it out."""
    if side.upper() not in {"BUY", "SELL"}:
        raise Rejected("twap.side", "a side is BUY or SELL")

    def begun(trader: Bot) -> TwapFile:
        wanted = Plan(
            name=name or f"twap-{secrets.token_hex(4)}",
            symbol=trader.symbol,
            buy=side.upper() == "BUY",
            lots=lots,
            begins_ms=now_ms(),
            duration_ms=seconds * 1_000,
            slices=slices,
            slippage_ppm=slippage_ppm,
            leverage=leverage,
            reduce_only=reduce_only,
            worst=worst,
            jitter_ppm=jitter_ppm,
            catch_up=catch_up,
            seed=secrets.randbits(64) if seed is None else seed,
        )
        return TwapFile.begin(plan, wanted)

    _tell(asyncio.run(_run(bot, service, begun)))


@app.command()
def resume(
    plan: Annotated[Path, typer.Argument(help="The plan's file.", exists=True)], bot: BotFile, service: Service
) -> None:
    """Go on with a plan that was stopped, or that a crash cut off."""
    _tell(asyncio.run(_run(bot, service, lambda _: TwapFile.open(plan))))


async def _run(bot: Path, service: str, opened: Callable[[Bot], TwapFile]) -> Report:
    async with Bot.of(bot, service) as trader:
        with closing(opened(trader)) as file:
            stopped = asyncio.Event()

            async def sleep(ms: int) -> None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopped.wait(), ms / 1_000)

            twap = Twap(trader, file, sleep=sleep)

            def stop() -> None:
                twap.stop()
                stopped.set()

            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            return await twap.run()


def _tell(report: Report) -> None:
    """The report as JSON, prices in ticks."""
    told = msgspec.to_builtins(report) | {
        "average": _ticks(report.average),
        "fair": _ticks(report.fair),
        "filledPercent": f"{report.filled * MILLION // report.lots // 10_000}",
    }
    typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())


def _ticks(thousandths: int) -> str:
    return f"{thousandths // 1_000}.{thousandths % 1_000:03}"
