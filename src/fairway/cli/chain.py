"""`fairway chain`: an embedded TON network for development, demos and tests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from fairway.chain.server import serve as serve_chain

__all__ = ["app"]

app = typer.Typer(name="chain", help="The embedded TON network.", no_args_is_help=True)


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
