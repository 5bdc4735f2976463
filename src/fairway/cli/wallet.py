"""`fairway wallet`: make a keystore, and show the public key it holds. A passphrase is asked for, never an argument."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fairway.client.keystore import Keystore

__all__ = ["app"]

app = typer.Typer(
    name="wallet",
    help="The user's keystore: one sealed root seed, from which every key derives.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

KeystorePath = Annotated[Path, typer.Argument(help="The keystore file.", dir_okay=False)]


@app.command()
def create(path: KeystorePath) -> None:
    """Make a new keystore; an existing file is never touched."""
    passphrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    keystore = Keystore.create(path, passphrase)
    typer.echo(f"Wallet key {keystore.wallet().key.hex()}")
    typer.echo(f"Keep a copy of {path} and its passphrase: nobody else can restore them.")


@app.command()
def show(path: KeystorePath) -> None:
    """Open a keystore and show its public wallet key."""
    passphrase = typer.prompt("Passphrase", hide_input=True)
    keystore = Keystore.open(path, passphrase)
    typer.echo(f"Wallet key {keystore.wallet().key.hex()}")
