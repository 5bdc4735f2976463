"""`fairway chain`: an embedded TON network for development, demos and tests, and a look at any network."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fairway.chain.opening import ChainAt, make_chain
from fairway.chain.purse import Purse
from fairway.chain.server import serve as serve_chain
from fairway.cli.inputs import KeyFile, LiteServers, PassphraseFile, WhichChain, read_passphrase
from fairway.exchange.event import Founded
from fairway.service.doctor import Finding, Patient, examine
from fairway.service.founding import read_founding
from fairway.service.keys import Keyring

__all__ = ["app"]

FAILED = 1
COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}

app = typer.Typer(name="chain", help="The TON network: an embedded one, and a look at any.", no_args_is_help=True)


@app.callback()
def chain() -> None:
    """The embedded TON network: real contracts on a real TVM, a faucet and a clock of its own."""


@app.command()
def serve(
    folder: Annotated[Path, typer.Option("--dir", help="Where the chain is kept.", file_okay=False)],
    host: Annotated[str, typer.Option(help="A loopback address: anyone who reaches it owns the faucet.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8970,
    clock_from: Annotated[
        int | None, typer.Option(min=1, max=(1 << 32) - 1, help="Unix time at which a new chain begins; else now.")
    ] = None,
) -> None:
    """Run the chain until told to stop."""
    asyncio.run(serve_chain(folder, host, port, clock_from))


@app.command()
def doctor(
    where: WhichChain,
    key_file: KeyFile = None,
    lite_servers: LiteServers = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="A venue's folder: its vault and wallet are looked at too.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON instead of a table.")] = False,
) -> None:
    """Look whether a chain, and a venue on it, are what they should be; exit status 1 if not."""
    at = ChainAt(where, key_file, lite_servers)
    founded = None if folder is None else read_founding(folder, b"", 0)
    keyring = Keyring.open(folder, read_passphrase(passphrase_file)) if folder and _has_keys(folder) else None
    findings = asyncio.run(_examined(at, founded, keyring))
    if as_json:
        typer.echo(msgspec.json.encode(findings))
    else:
        _show(findings)
    if any(finding.verdict == "failed" for finding in findings):
        raise typer.Exit(FAILED)


def _has_keys(folder: Path) -> bool:
    """A doctor makes no keys where there are none."""
    return (folder / "root.key").exists()


async def _examined(at: ChainAt, founded: Founded | None, keyring: Keyring | None) -> list[Finding]:
    async with make_chain(at) as chain:
        operator = None
        if founded is not None and keyring is not None:
            operator = Purse(chain, keyring.operator(), founded.network).address
        return [finding async for finding in examine(Patient(chain, at.is_live, founded, operator))]


def _show(findings: list[Finding]) -> None:
    table = Table("", "", "", show_header=False)
    for finding in findings:
        table.add_row(finding.point, f"[{COLOURS[finding.verdict]}]{finding.verdict}", escape(finding.found))
    Console().print(table)
