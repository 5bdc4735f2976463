"""The stage of a demo: chain, vault, service, oracle and traders, each where it would be in the world."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from fairway.chain.purse import Purse
from fairway.cli.demo.picture import Recording
from fairway.cli.demo.playback import Recorded, RecordedPrices
from fairway.cli.demo.prices import ORACLE_SIGNERS, Prices, wall_ms
from fairway.cli.demo.processes import ChainProcess, Ready, ServiceProcess, TowerProcess
from fairway.cli.demo.trader import CHEAP, PASSPHRASE, Trader
from fairway.client.keystore import Keystore
from fairway.client.lender import Lender
from fairway.errors import Rejected
from fairway.exchange.listing import default_listings
from fairway.service.deploy import Charter, deploy
from fairway.service.keys import Keyring
from fairway.units import TON

__all__ = ["CLOSING_S", "MARK", "Stage", "prepare"]

NETWORK = -3
PATIENCE_S = 12
RECORDED_PATIENCE_S = 600
"""A recording is played faster than it happened, and nobody refuses to sign in it."""
CLOSING_S = 600
START = {1: 52_000, 2: 51_500}
LENDER_POCKET = 5_010 * TON
OPERATOR_POCKET = 120_000 * TON
EPOCH = 48
MARK = "demo.json"
WATCHED = {"jo"}
"""Who leaves what he signs with the watchtower."""
HURRY_S = 3
"""How long an interrupted demo lets its service end in order; the journal is durable anyway."""


@dataclass(slots=True)
class Stage:
    """Everything of one demo, kept under `folder`."""

    folder: Path
    seed: int
    traders: dict[str, Trader] = field(default_factory=dict)
    starts: list[Ready] = field(default_factory=list)
    recording: Recording | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    chain: ChainProcess = field(init=False)
    service: ServiceProcess = field(init=False)
    tower: TowerProcess = field(init=False)
    prices: Prices = field(init=False)
    recorded: Recorded | None = field(init=False, default=None)
    _web: httpx.AsyncClient = field(init=False, default_factory=partial(httpx.AsyncClient, trust_env=False))
    vault: str = ""
    started_ms: int = 0

    async def raise_curtain(self) -> None:
        """Start chain, vault, service and oracle; return when every market that is traded has a price."""
        recording = self.recording
        self.chain = ChainProcess(self.folder / "chain", recording.chain_options if recording else [])
        await self.chain.start()
        self.recorded = await Recorded.begun(recording, self.chain.chain) if recording else None
        keyring = Keyring.open(self.folder)
        await self.chain.chain.fund(Purse(self.chain.chain, keyring.operator(), NETWORK).address, OPERATOR_POCKET)
        charter = Charter(
            NETWORK,
            [signer.key for signer in ORACLE_SIGNERS],
            2,
            patience_s=RECORDED_PATIENCE_S if recording else PATIENCE_S,
            quarantine_s=CLOSING_S,
            settling_s=CLOSING_S,
            pool_seed=100_000 * TON,
        )
        self.vault = await deploy(self.chain.chain, keyring, charter, self.folder)
        self.service = ServiceProcess(
            self.folder, self.chain.url, ["--epoch", str(EPOCH), *(["--clock", "chain"] if recording else [])]
        )
        began = time.monotonic()
        self.starts.append(await self.service.start())
        self.started_ms = int((time.monotonic() - began) * 1000)
        self.prices = self._prices()
        self._tasks.append(asyncio.create_task(self.prices.run()))
        self.tower = TowerProcess(self.folder / "tower", self.chain.chain, self.chain.url)
        await self.tower.start()
        while len(self.prices.marks) < self.prices.markets:  # noqa: ASYNC110 - rounds come at their own pace
            await asyncio.sleep(0.05)

    def _prices(self) -> Prices:
        listings = default_listings()
        if self.recorded is None:
            return Prices(NETWORK, listings, START, self.seed, lambda: self.service.url)
        return RecordedPrices(NETWORK, listings, self.recorded, lambda: self.service.url)

    async def cast(self, deposits: dict[str, int]) -> None:
        """Bring traders on, each with so much in his channel."""
        joining = []
        for name, deposit in deposits.items():
            url = self.service.socket_url
            clock_ms = self.recorded.clock.now_ms if self.recorded else wall_ms
            towers = [self.tower.url] if name in WATCHED else []
            known = self.chain.chain, url, NETWORK, self.vault, clock_ms, towers
            trader = Trader(self.folder / "traders", name, *known)
            self.traders[name] = trader
            joining.append(trader.join(deposit))
        await asyncio.gather(*joining)

    async def lender(self, name: str) -> Lender:
        """A wallet with TON to lend, and no channel."""
        folder = self.folder / "lenders"
        folder.mkdir(exist_ok=True)
        keystore = Keystore.create(folder / f"{name}.key", PASSPHRASE, CHEAP)
        purse = Purse(self.chain.chain, keystore.wallet(), NETWORK)
        await self.chain.chain.fund(purse.address, LENDER_POCKET)
        return Lender(self.chain.chain, purse, self.vault)

    async def service_ms(self) -> int:
        """The service's clock; 0 while the service is away."""
        try:
            reply = await self._web.get(f"{self.service.url}/v1/time")
        except httpx.HTTPError:
            return 0
        return int(reply.json()["serverTime"])

    @property
    def has_fallen(self) -> bool:
        """Whether the service ended and nobody asked it to."""
        return hasattr(self, "service") and self.service.has_fallen

    async def crash(self, meanwhile: Callable[[], Awaitable[None]]) -> Ready:
        """Kill the service as a power cut would, and start it on the same journal when `meanwhile` has happened."""
        await self.service.kill()
        await meanwhile()
        self.starts.append(await self.service.start())
        return self.starts[-1]

    async def drop_curtain(self) -> None:
        """End everything that is still there; safe at any moment."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._web.aclose()
        for trader in self.traders.values():
            with suppress(Exception):
                await trader.end()
        if hasattr(self, "service"):
            await self.service.stop(HURRY_S)
        if hasattr(self, "tower"):
            await self.tower.stop()
        if hasattr(self, "chain"):
            await self.chain.stop()


def prepare(folder: Path) -> None:
    """Make `folder` a new demo's own. Errors: `Rejected` (`demo.dir`) where somebody else's files are in it."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise Rejected("demo.dir", f"{folder} is not empty and no earlier demo's; name another with --dir")
