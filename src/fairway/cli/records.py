"""`fairway records`: what a venue publishes, and a key for who may see what is behind it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from fairway.audit.examiner import Examiner
from fairway.audit.records import Publisher, encode
from fairway.cli.dossier import Dossier
from fairway.client.keystore import write_private
from fairway.crypto.viewing import KEY_SIZE, view_key
from fairway.errors import Rejected, Unavailable
from fairway.exchange.event import decode
from fairway.service import archive
from fairway.settlement.chain import NOTHING

__all__ = ["app", "read_view_key"]

app = typer.Typer(name="records", help="The public records of a venue.", no_args_is_help=True)


@app.command("key")
def new_view_key(
    path: Annotated[Path, typer.Argument(help="The new file, for its owner alone.", dir_okay=False)],
) -> None:
    """Make a view key; what is printed is what the operator is told."""
    if path.exists():
        raise Rejected("view.exists", f"{path} is there already")
    seed = secrets.token_bytes(KEY_SIZE)
    write_private(path, seed.hex().encode() + b"\n")
    typer.echo(view_key(seed).hex())


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="A service's folder, or a demo's.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Argument(help="Where the bundle goes.", dir_okay=False)],
    key: Annotated[str | None, typer.Option("--for", help="Add the openings, boxed for this view key in hex.")] = None,
) -> None:
    """Write every record that an epoch made final, with its proof; the journal is re-executed on the way."""
    examiner, publisher = Examiner(), None
    for entry in archive.entries(Dossier.of(folder).service):
        effects = examiner.feed(entry)
        if publisher is None:
            publisher = Publisher(_beginning(examiner), _key(key))
        publisher.note(decode(entry.payload), effects)
    if publisher is None:
        raise Unavailable("journal.missing", f"the journal in {folder} is empty")
    bundle = publisher.bundle(lambda: secrets.token_bytes(KEY_SIZE))
    out.write_bytes(encode(bundle))
    typer.echo(f"{len(bundle.groups)} groups of records in {len(bundle.epochs)} epochs")


def read_view_key(path: Path) -> bytes:
    """The seed in a view key's file. Errors: `Unavailable` (`view.file`)."""
    try:
        seed = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise Unavailable("view.file", f"{path} holds no view key: {error}") from None
    if len(seed) != KEY_SIZE:
        raise Unavailable("view.file", f"{path} holds no view key")
    return seed


def _beginning(examiner: Examiner) -> bytes:
    venue = examiner.engine.venue
    return NOTHING if venue.founded.pool_seed else venue.settling.pool.commitment


def _key(key: str | None) -> bytes | None:
    try:
        return bytes.fromhex(key) if key is not None else None
    except ValueError:
        raise Rejected("view.key", "a view key is 64 hex digits") from None
