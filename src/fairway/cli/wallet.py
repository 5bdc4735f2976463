"""`fairway wallet`: make or restore a keystore, show what is public in it, hand out a sub-key and its mandate.

Passphrase and words are asked for or read from a file; they are never arguments.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fairway.cli.connect import connect
from fairway.cli.mandate import app as mandate
from fairway.client.keystore import Keystore, new_words, write_private
from fairway.crypto.keys import Signer
from fairway.errors import Rejected, Unavailable
from fairway.ton.address import Address
from fairway.ton.wallet import MAINNET, TESTNET, Wallet

__all__ = ["app"]

app = typer.Typer(
    name="wallet",
    help="The user's keystore: 24 words as any TON wallet has them, and the keys that derive from them.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

app.command()(connect)
app.add_typer(mandate)

LINE = 6
ASKED_WORDS = 2


class Network(StrEnum):
    """Where a wallet lives."""

    MAINNET = "mainnet"
    TESTNET = "testnet"


KeystorePath = Annotated[Path, typer.Argument(help="The keystore file.", dir_okay=False)]


@app.command()
def create(
    path: KeystorePath,
    words_file: Annotated[
        Path | None, typer.Option(help="Write the 24 words into this new file instead of showing them.", dir_okay=False)
    ] = None,
    elsewhere: Annotated[
        bool, typer.Option("--wallet-elsewhere", help="No wallet key: another wallet pays and is paid.")
    ] = False,
) -> None:
    """Make a new keystore; an existing file is never touched."""
    _check_new(path)
    if elsewhere:
        keystore = Keystore.without_wallet()
    else:
        words = new_words()
        keystore = Keystore.of_words(words)
        if words_file is None:
            _teach(words)
        else:
            write_private(words_file, (" ".join(words) + "\n").encode())
    keystore.save(path, _new_passphrase())
    _describe(keystore)
    typer.echo(f"Keep a copy of {path} and its passphrase" + (": nobody else can restore them." if elsewhere else "."))


@app.command()
def restore(
    path: KeystorePath,
    words_file: Annotated[
        Path | None, typer.Option(help="Read the words from this file; else they are asked for.", exists=True)
    ] = None,
) -> None:
    """Make a keystore of 24 words that you have, of this program or of any TON wallet."""
    _check_new(path)
    text = words_file.read_text() if words_file else typer.prompt("The 24 words", hide_input=True)
    keystore = Keystore.of_words(text.split())
    keystore.save(path, _new_passphrase())
    _describe(keystore)


@app.command()
def show(
    path: KeystorePath,
    network: Annotated[Network | None, typer.Option(help="Only the address on this network.")] = None,
) -> None:
    """Open a keystore and show its wallet's key and addresses."""
    _describe(_opened(path), network)


@app.command()
def subkey(
    path: KeystorePath,
    name: Annotated[str, typer.Argument(help="What you call it; the same name gives the same key.")],
    export: Annotated[
        Path | None, typer.Option(help="Write its secret seed, in hex, into this new file.", dir_okay=False)
    ] = None,
) -> None:
    """Show the public key of a sub-key, which trades over the API but cannot move money."""
    seed = _opened(path).subkey_seed(name)
    typer.echo(f"Sub-key {name}  {Signer.of(seed).key.hex()}")
    if export is not None:
        write_private(export, f"{seed.hex()}\n".encode())
        typer.echo(f"Its secret is in {export}.")


def _check_new(path: Path) -> None:
    if path.exists():
        raise Unavailable("keystore.exists", f"{path} exists; a keystore is never overwritten")


def _new_passphrase() -> str:
    entered: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    return entered


def _opened(path: Path) -> Keystore:
    if not path.exists():
        raise Unavailable("keystore.missing", f"there is no keystore at {path}")
    return Keystore.open(path, typer.prompt("Passphrase", hide_input=True))


def _teach(words: tuple[str, ...]) -> None:
    """Show the words once, and ask for some of them."""
    typer.echo("Write these words down, in this order. Who has them has the wallet; they are not shown again.\n")
    for first in range(0, len(words), LINE):
        row = words[first : first + LINE]
        typer.echo("  ".join(f"{number:2} {word:10}" for number, word in enumerate(row, first + 1)))
    typer.echo()
    for place in sorted(secrets.SystemRandom().sample(range(len(words)), ASKED_WORDS)):
        if typer.prompt(f"Word {place + 1}").strip().lower() != words[place]:
            raise Rejected("keystore.unconfirmed", f"word {place + 1} is another; nothing was written, begin again")


def _describe(keystore: Keystore, only: Network | None = None) -> None:
    """Print the wallet's public key, and its address on each network."""
    if not keystore.has_wallet:
        typer.echo("Wallet key       elsewhere: this keystore has channel keys and sub-keys only")
        return
    key = keystore.wallet().key
    typer.echo(f"Wallet key       {key.hex()}")
    for network, number in ((Network.MAINNET, MAINNET), (Network.TESTNET, TESTNET)):
        if only in {None, network}:
            address = Wallet(key, number).address
            friendly = Address.parse(address).friendly(bounceable=False, testnet=number == TESTNET)
            typer.echo(f"Address, {network}  {address}")
            typer.echo(f"                 {friendly}")
