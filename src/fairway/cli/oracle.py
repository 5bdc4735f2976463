"""`fairway oracle`: keys that sign prices, and a process that makes rounds of what sources say."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import httpx
import msgspec
import typer

from fairway.client.keystore import write_private
from fairway.client.oracle import Oracle, OracleClient
from fairway.crypto.keys import Signer
from fairway.errors import InvalidMessage, Rejected, Unavailable
from fairway.exchange.terms import OracleRound
from fairway.risk.contract import Contract, Payoff, Tier
from fairway.service.clock import wall_clock_ms
from fairway.service.files import read_private
from fairway.units import Nano, Ppm

__all__ = ["app"]

app = typer.Typer(
    name="oracle",
    help="The oracle of a venue: its keys, and the rounds it signs.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

SEED_SIZE = 32
LINE_LIMIT = 4096
Folder = Annotated[Path, typer.Option("--dir", help="Where the keys lie.", file_okay=False)]


class Quote(msgspec.Struct, forbid_unknown_fields=True):
    """One line of input: `source` quotes `price` ticks for `symbol`, at `at_ms` (now, where it does not say)."""

    symbol: str
    source: str
    price: Annotated[int, msgspec.Meta(gt=0, lt=1 << 32)]
    at_ms: Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)] | None = None


class Named(msgspec.Struct):
    """A market as the service describes it."""

    market: int
    contract: Contract


@app.command()
def keys(folder: Folder, count: Annotated[int, typer.Option(min=1, max=64, help="How many keys to make.")] = 3) -> None:
    """Make new keys and print their public halves, as `fairway venue deploy` takes them."""
    paths = _paths(folder, range(count))
    for path in paths:
        if path.exists():
            raise Unavailable("oracle.exists", f"{path} exists; a key is never overwritten")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in paths:
        seed = secrets.token_bytes(SEED_SIZE)
        write_private(path, f"{seed.hex()}\n".encode())
        typer.echo(f"--oracle-key {Signer.of(seed).key.hex()}")


@app.command()
def run(
    folder: Folder,
    service: Annotated[str, typer.Option(help="The service's URL.")] = "http://127.0.0.1:8460",
    every_s: Annotated[float, typer.Option(min=0.05, help="Seconds between two rounds of a market.")] = 1.0,
    quorum: Annotated[int, typer.Option(min=1, help="So many fresh sources make an index.")] = 1,
) -> None:
    """Read quotes, one JSON object a line, and hand a signed round to the service as often as told.

    A line is `{"symbol": "ETH-TON", "source": "name", "price": 51500}`, the price in ticks. The index is the median of
    the sources that spoke within ten seconds; where too few did, there is no round. Ends with its input.
    """
    signers = _signers(folder)
    asyncio.run(_run(signers, service.rstrip("/"), every_s, quorum))


def _paths(folder: Path, places: Sequence[int]) -> list[Path]:
    return [folder / f"oracle-{place}.key" for place in places]


def _signers(folder: Path) -> list[Signer]:
    """The keys in `folder`, in the order of their places at the venue."""
    paths = [path for path in _paths(folder, range(64)) if path.exists()]
    if not paths:
        raise Unavailable(
            "oracle.missing", f"there is no key in {folder}; make some: fairway oracle keys --dir {folder}"
        )
    return [Signer.of(_seed(path)) for path in paths]


def _seed(path: Path) -> bytes:
    try:
        seed = bytes.fromhex(read_private(path).decode("ascii").strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_SIZE:
        raise Unavailable("oracle.key", f"{path} does not hold the hex of a key")
    return seed


async def _run(signers: list[Signer], service: str, every_s: float, quorum: int) -> None:
    async with httpx.AsyncClient(base_url=service, timeout=10, trust_env=False) as web:
        info = await _asked(web, "/v1/exchangeInfo")
        _check_keys(signers, info)
        markets = {each["symbol"]: await _named(web, each) for each in info["symbols"]}
        contracts = {each.market: each.contract for each in markets.values()}
        oracle = Oracle(info["network"], signers, contracts, quorum)
        for symbol, each in markets.items():
            await _resume(web, oracle, info["network"], symbol, each.market)
    client = OracleClient(service)
    quoted: set[str] = set()
    reading = asyncio.ensure_future(_read(oracle, markets, quoted))
    try:
        while True:
            ended, _ = await asyncio.wait({reading}, timeout=every_s)
            for symbol in sorted(quoted):
                await _publish(client, oracle, symbol, markets[symbol].market)
            if ended:
                reading.result()
                return
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await client.close()


def _check_keys(signers: list[Signer], info: dict[str, Any]) -> None:
    ours = [signer.key.hex() for signer in signers]
    if ours != info["oracleKeys"][: len(ours)]:
        raise Rejected("oracle.keys", "the venue is bound to other keys than these, or to another order of them")


async def _named(web: httpx.AsyncClient, shown: dict[str, Any]) -> Named:
    brackets = await _asked(web, "/v1/leverageBracket", symbol=shown["symbol"])
    tiers = tuple(
        Tier(
            Nano(int(each["notionalCap"])),
            Ppm(int(each["initialPpm"])),
            Ppm(int(each["maintPpm"])),
            Nano(int(each["cum"])),
        )
        for each in brackets["brackets"]
    )
    fees = (Ppm(int(shown[name])) for name in ("makerFeePpm", "takerFeePpm", "liquidationFeePpm"))
    return Named(shown["market"], Contract(Payoff[shown["payoff"].upper()], int(shown["unit"]), tiers, *fees))


async def _resume(web: httpx.AsyncClient, oracle: Oracle, network: int, symbol: str, market: int) -> None:
    """Go on after the newest round that the service has, if there is one."""
    reply = await web.get("/v1/premiumIndex", params={"symbol": symbol})
    if reply.status_code == httpx.codes.OK:
        shown = reply.json()
        prices = int(shown["indexPrice"]), int(shown["markPrice"]), int(shown["fundingIndex"])
        oracle.resume(OracleRound(network, market, shown["round"], shown["time"], *prices))


async def _asked(web: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    try:
        reply = await web.get(path, params=query)
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unavailable("oracle.service", f"the service does not answer: {error}") from error
    return answer


async def _read(oracle: Oracle, markets: dict[str, Named], quoted: set[str]) -> None:
    """Take quotes from the input until it ends; a line that is none is told and passed over."""
    lines, number = _input(), 0
    while line := await lines.get():
        number += 1
        try:
            quote = _quote(line, markets)
        except (msgspec.DecodeError, InvalidMessage) as error:
            typer.echo(f"line {number} is no quote: {error}", err=True)
            continue
        at_ms = wall_clock_ms() if quote.at_ms is None else quote.at_ms
        oracle.observe(markets[quote.symbol].market, quote.source, quote.price, at_ms)
        quoted.add(quote.symbol)


def _quote(line: bytes, markets: dict[str, Named]) -> Quote:
    quote = msgspec.json.decode(line, type=Quote)
    if quote.symbol not in markets:
        raise InvalidMessage("oracle.symbol", "there is no such market", symbol=quote.symbol[:32])
    return quote


def _input() -> asyncio.Queue[bytes]:
    """The lines of the standard input as they come, then an empty one.

    A thread reads them, since neither a file nor a terminal can be waited for; it ends with the process.
    """
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[bytes]()

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended
            while line := sys.stdin.buffer.readline(LINE_LIMIT):
                loop.call_soon_threadsafe(lines.put_nowait, line)
            loop.call_soon_threadsafe(lines.put_nowait, b"")

    Thread(target=read, daemon=True).start()
    return lines


async def _publish(client: OracleClient, oracle: Oracle, symbol: str, market: int) -> None:
    at_ms = wall_clock_ms()
    middle = await client.middle(symbol)
    if middle is not None:
        oracle.observe_book(market, middle, at_ms)
    try:
        made = oracle.round(market, at_ms)
        await client.publish(made)
    except Rejected as refusal:
        typer.echo(f"{symbol}: {refusal}", err=True)
        return
    typer.echo(f"{symbol} round {made.round}: index {made.index}, mark {made.mark}, funding {made.funding}")
