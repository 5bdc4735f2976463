"""`fairway wallet`: make a keystore, and show its wallet's key and addresses.

The passphrase is asked for; it is never an argument.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fairway.client.keystore import Keystore
from fairway.errors import Unavailable
from fairway.ton.wallet import Wallet

__all__ = ["app"]

app = typer.Typer(
    name="wallet",
    help="The user's keystore: one sealed root seed, from which every key derives.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

NETWORKS = {"mainnet": -239, "testnet": -3}

KeystorePath = Annotated[Path, typer.Argument(help="The keystore file.", dir_okay=False)]


@app.command()
def create(path: KeystorePath) -> None:
    """Make a new keystore; an existing file is never touched."""
    if path.exists():
        raise Unavailable("keystore.exists", f"{path} exists; a keystore is never overwritten")
    passphrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    _describe(Keystore.create(path, passphrase))
    typer.echo(f"Keep a copy of {path} and its passphrase: nobody else can restore them.")


@app.command()
def show(path: KeystorePath) -> None:
    """Open a keystore and show its wallet's key and addresses."""
    if not path.exists():
        raise Unavailable("keystore.missing", f"there is no keystore at {path}")
    passphrase = typer.prompt("Passphrase", hide_input=True)
    _describe(Keystore.open(path, passphrase))


def _describe(keystore: Keystore) -> None:
    """Print the wallet's public key, and its address on each network."""
    key = keystore.wallet().key
    typer.echo(f"Wallet key       {key.hex()}")
    for name, network in NETWORKS.items():
        typer.echo(f"Address, {name}  {Wallet(key, network).address}")
