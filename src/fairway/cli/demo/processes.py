"""The processes of a demo: an embedded chain and a service, started, killed and started again by their handles."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fairway.chain.remote import RemoteChain
from fairway.errors import Unavailable
from fairway.units import TON

__all__ = ["ChainProcess", "Ready", "ServiceProcess", "TowerProcess", "free_port"]

START_S = 60
TOWER_POCKET = 5 * TON
STOP_S = 120
PROVE_S = 900
"""On a busy machine the last proofs take their time."""


class Ready(msgspec.Struct, frozen=True):
    """The line by which a service says that it takes requests."""

    url: str
    ws: str
    entries: int
    replayed: int
    replay_ms: int
    digest: str
    book_digest: str


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


async def _spawn(arguments: Sequence[str], log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as errors:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fairway",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


async def _end(process: asyncio.subprocess.Process | None, patience_s: float = STOP_S) -> int | None:
    """Ask the process to stop, then make it; its exit status."""
    if process is None or process.returncode is not None:
        return process.returncode if process else None
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(patience_s):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()


class ChainProcess:
    """The embedded TON network in a process of its own."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._port = free_port()
        self._options = ["chain", "serve", "--dir", str(folder), "--port", str(self._port), *options]
        self._process: asyncio.subprocess.Process | None = None
        self.chain = RemoteChain(self.url)

    @property
    def url(self) -> str:
        """Where the chain answers."""
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it answers."""
        log = self._folder.parent / "chain.log"
        self._process = await _spawn(self._options, log)
        await self.chain.ready(START_S)

    async def stop(self) -> None:
        """Hang up and end it."""
        await self.chain.close()
        await _end(self._process, 10)


class TowerProcess:
    """A watchtower in a process of its own: what users leave with it outlives the service."""

    def __init__(self, folder: Path, chain: RemoteChain, chain_url: str) -> None:
        self._log = folder.parent / "tower.log"
        self._chain = chain
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._options = ["watch", "--dir", str(folder), "--chain", chain_url, "--listen", f"127.0.0.1:{port}"]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, wait until it watches, and give it gas."""
        self._process = await _spawn(self._options, self._log)
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            while (line := (await self._process.stdout.readline()).decode()).split()[:1] != ["watching"]:
                if not line:
                    raise Unavailable("demo.tower", f"the watchtower did not start: see {self._log}")
                if line.startswith("wallet"):
                    await self._chain.fund(line.split()[1], TOWER_POCKET)

    async def stop(self) -> None:
        """End it."""
        await _end(self._process, 10)


class ServiceProcess:
    """The service in a process of its own; `dial` follows it over restarts, since its port stays."""

    def __init__(self, folder: Path, chain_url: str, options: Sequence[str] = ()) -> None:
        self.folder = folder
        self._port = free_port()
        self._options = [
            *("serve", "--dir", str(folder), "--port", str(self._port), "--chain", chain_url),
            *("--ready-json", "--prove-at-exit"),
            *options,
        ]
        self._process: asyncio.subprocess.Process | None = None
        self._meant_to_end = False

    @property
    def has_fallen(self) -> bool:
        """Whether it ended and nobody asked it to."""
        return self._process is not None and self._process.returncode is not None and not self._meant_to_end

    def last_words(self) -> str:
        """The last line it wrote to its log."""
        log = self.folder / "service.log"
        said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        return said[-1] if said else "nothing"

    @property
    def url(self) -> str:
        """Where REST answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def socket_url(self) -> str:
        """Where sessions connect."""
        return f"ws://127.0.0.1:{self._port}/v1/ws"

    async def start(self) -> Ready:
        """Start it and wait for its ready line. Errors: `Unavailable` (`demo.service`) with what it said last."""
        self._process = await _spawn(self._options, self.folder / "service.log")
        self._meant_to_end = False
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await self._process.stdout.readline()
        try:
            return msgspec.json.decode(line, type=Ready)
        except msgspec.DecodeError as error:
            raise Unavailable("demo.service", f"the service did not start: {self.last_words()}") from error

    async def kill(self) -> None:
        """Kill it as a power cut would: no signal handler runs."""
        assert self._process is not None
        self._meant_to_end = True
        self._process.kill()
        await self._process.wait()

    async def stop(self, patience_s: float = PROVE_S) -> int | None:
        """Ask it to prove what is left and to seal its journal, and wait so long; its exit status."""
        self._meant_to_end = True
        return await _end(self._process, patience_s)
