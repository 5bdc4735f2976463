"""`fairway demo`: set the stage, play, end, and say what held."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import httpx
import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from fairway.cli.demo.ambush import Ambush
from fairway.cli.demo.finale import cancel_all, wind_down
from fairway.cli.demo.flow import run_flow, troupe
from fairway.cli.demo.measure import signature_limit
from fairway.cli.demo.picture import Recording
from fairway.cli.demo.playback import Playback, deposits
from fairway.cli.demo.report import Report, examine, show, tally_chain, vault_agrees
from fairway.cli.demo.scenes import ACTORS, CALM_ACTORS, CALM_SCENES, HOUSE, LINEAR, SCENES, keep_house
from fairway.cli.demo.stage import MARK, START, Stage, prepare
from fairway.cli.demo.trader import Trader
from fairway.errors import Unavailable
from fairway.exchange.listing import default_listings
from fairway.ton.vault_messages import BooksView, read_books, read_pool
from fairway.units import TON

__all__ = ["demo"]

T = TypeVar("T")

DEPOSIT = 1_000 * TON
MEBI = 1 << 20
GLANCE_S = 0.5
CRASH_AT = 2
"""The service is killed when one in so many of the flow's orders are placed."""


def demo(
    traders: Annotated[int, typer.Option(min=4, max=200, help="Traders of the order flow.")] = 20,
    orders: Annotated[int, typer.Option(min=100, help="Orders of the flow, about.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Seeds prices and traders.")] = 1,
    folder: Annotated[Path, typer.Option("--dir", file_okay=False, help="Where everything is kept.")] = Path(
        "fairway-demo"
    ),
    feed: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Play a recording of Binance's streams: prices, sizes, time.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Run the whole story on embedded defaults: chain, service, oracle, traders; end with a report."""
    recording = _recording(feed, orders) if feed else None
    prepare(folder)
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    (folder / MARK).write_bytes(b"{}\n")
    console = Console(file=sys.stderr if as_json else sys.stdout)
    try:
        report = asyncio.run(_Demo(Stage(folder.absolute(), seed, recording=recording), traders, orders, console).run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("stopped; nothing is left running")
        raise typer.Exit(130) from None
    (folder / MARK).write_bytes(msgspec.json.encode(report) + b"\n")
    if as_json:
        typer.echo(msgspec.json.encode(report))
    else:
        show(report, console)
    if broken := report.broken():
        raise Unavailable("demo.invariant", f"did not hold: {', '.join(broken)}")


def _recording(path: Path, orders: int) -> Recording:
    (contract,) = (listing.contract for listing in default_listings() if listing.market == LINEAR)
    return Recording.read(path, contract, START[LINEAR], orders)


class _Demo:
    """One performance."""

    def __init__(self, stage: Stage, traders: int, orders: int, console: Console) -> None:
        self._stage = stage
        self._count = traders
        self._orders = orders
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=not console.is_terminal,
        )
        self._began = time.monotonic()
        self._flow_s = 0.0
        self._ambush = Ambush(stage)
        self._placed = 0

    async def run(self) -> Report:
        """Play everything; whatever happens, signals included, end every process that was started."""
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            with self._progress:
                return await self._guarded(asyncio.ensure_future(self._play()))
        finally:
            await self._stage.drop_curtain()

    async def _guarded(self, play: asyncio.Future[Report]) -> Report:
        """The play's outcome; `Unavailable` (`demo.service`) as soon as the service ends unasked."""
        try:
            while not play.done():
                await asyncio.wait({play}, timeout=GLANCE_S)
                if self._stage.has_fallen:
                    words = self._stage.service.last_words()
                    raise Unavailable("demo.service", f"the service ended by itself: {words}")
            return play.result()
        finally:
            play.cancel()
            await asyncio.gather(play, return_exceptions=True)

    async def _play(self) -> Report:
        stage = self._stage
        await self._step("chain, vault, service, oracle", stage.raise_curtain())
        if stage.recorded:
            names, actors = deposits(self._count), CALM_ACTORS
        else:
            names, actors = self._deposits(), HOUSE | ACTORS
        await self._step(f"{len(names | actors)} channels opened on chain", stage.cast(names | actors))
        flow = [stage.traders[name] for name in names]
        if stage.recorded:
            await self._replay(Playback(stage.recorded, flow, stage.service_ms), flow)
            await self._perform(CALM_SCENES)
        else:
            await self._ambush.prepare()
            await self._trade(flow)
            house = await keep_house(stage)
            await self._perform(SCENES)
            for task in house:
                task.cancel()
            await asyncio.gather(*house, return_exceptions=True)
        await self._step("everyone closes and unwraps", wind_down(stage))
        status = await self._status()
        books = read_books(await stage.chain.chain.run_get(stage.vault, "get_books"))
        exits = sum(nano for _, nano in read_pool(await stage.chain.chain.run_get(stage.vault, "get_pool")).exits)
        await self._step("the last settlements are proven", self._prove())
        await stage.drop_curtain()
        return await self._step("the journal is examined", asyncio.to_thread(self._report, status, books, exits))

    def _deposits(self) -> dict[str, int]:
        return {f"trader-{number:02}": DEPOSIT for number in range(1, self._count + 1)}

    async def _perform(self, scenes: Mapping[str, Callable[[Stage], Awaitable[None]]]) -> None:
        for words, scene in scenes.items():
            await self._step(words, scene(self._stage))

    async def _trade(self, flow: list[Trader]) -> None:
        """The order flow, with the service killed and restarted in its middle."""
        bots = troupe(flow, self._stage.seed)
        bar = self._progress.add_task("orders", total=self._orders)
        half = self._orders // CRASH_AT
        await self._flow(
            flow,
            bar,
            run_flow(bots, lambda: self._watch(flow, bar), self._orders),
            lambda: self._watch(flow, bar) >= half,
        )

    async def _replay(self, playback: Playback, flow: list[Trader]) -> None:
        """The recording, with the service killed and restarted in its middle."""
        bar = self._progress.add_task("orders after a recording", total=self._orders)
        await self._flow(flow, bar, playback.run(lambda: self._watch(flow, bar)), lambda: playback.is_halfway)
        self._progress.update(bar, total=self._placed, completed=self._placed)

    async def _flow(
        self, flow: list[Trader], bar: TaskID, playing: Awaitable[None], is_halfway: Callable[[], bool]
    ) -> None:
        began = time.monotonic()
        await asyncio.gather(playing, self._crash(is_halfway))
        self._flow_s = time.monotonic() - began
        self._placed = self._watch(flow, bar)
        await asyncio.gather(*(cancel_all(trader) for trader in flow))

    def _watch(self, flow: list[Trader], bar: TaskID) -> int:
        placed = sum(trader.orders for trader in flow)
        self._progress.update(bar, completed=min(placed, self._orders))
        return placed

    async def _crash(self, is_halfway: Callable[[], bool]) -> None:
        while not is_halfway():  # noqa: ASYNC110 - orders come as they do
            await asyncio.sleep(0.05)
        await self._step("kill -9, a theft that fails, restart, replay", self._stage.crash(self._ambush.strike))

    async def _step(self, words: str, work: Awaitable[T]) -> T:
        bar = self._progress.add_task(words, total=1)
        done = await work
        self._progress.update(bar, completed=1)
        return done

    async def _prove(self) -> None:
        status = await self._stage.service.stop()
        if status != 0:
            words = f"the service ended with {status} before all was proven: {self._stage.service.last_words()}"
            raise Unavailable("demo.service", words)

    async def _status(self) -> dict[str, int]:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as web:
            reply = await web.get(f"{self._stage.service.url}/v1/status")
        return reply.json()  # type: ignore[no-any-return]

    def _report(self, status: dict[str, int], books: BooksView, exits: int) -> Report:
        stage = self._stage
        verdict = examine(stage.service.folder)
        onchain = tally_chain(stage.folder / "chain")
        counts = {name: value for name, value in verdict.counts.items() if name in Report.__struct_fields__}
        counts["challenges"] = onchain.challenges
        restart = stage.starts[-1]
        return Report(
            **counts,
            traders=len(stage.traders),
            settlements_verified=verdict.verified,
            epochs_verified=verdict.epochs,
            ranged_values_verified=verdict.ranged,
            tower_answers=onchain.answers,
            chain_transactions=onchain.transactions,
            journal_entries=verdict.entries,
            crashes=len(stage.starts) - 1,
            balances_before_countersigning=sum(trader.early_balances for trader in stage.traders.values()),
            money_conserved=verdict.conserved,
            lend_state_matches_channels=verdict.lend_state,
            pool_solvent_at_every_epoch=verdict.solvent,
            vault_matches_ledger=vault_agrees(books, verdict.inside + exits),
            book_hash_replayed=verdict.book,
            state_hash_replayed=verdict.state,
            orders_per_second=int(self._placed / max(0.001, self._flow_s)),
            signature_limit_per_second=signature_limit(),
            settlement_prove_us=verdict.prove_us,
            settlement_verify_us=verdict.verify_us,
            service_start_ms=stage.started_ms,
            service_replay_events_per_second=restart.replayed * 1000 // max(1, restart.replay_ms),
            service_resident_mib=status["rssBytes"] // MEBI,
            seconds=int(time.monotonic() - self._began),
            directory=str(stage.folder),
        )
