"""The command line: each command in its own module, registered here.

Errors of ours end with one line on stderr that carries the stable code, and exit status 1; our own faults with 70.
"""

from __future__ import annotations

import sys

import typer

from fairway import __version__
from fairway.cli import chain, lend, oracle, records, twap, venue, wallet, zkvm
from fairway.cli.accuse import accuse
from fairway.cli.audit import audit_folder
from fairway.cli.demo.command import demo
from fairway.cli.deposit import deposit
from fairway.cli.exit import leave
from fairway.cli.prover import prover
from fairway.cli.serve import serve
from fairway.cli.watch import watch
from fairway.cli.withdraw import withdraw
from fairway.errors import FairwayError, IllegalTransition

__all__ = ["app", "main"]

FAILED, OUR_FAULT = 1, 70

app = typer.Typer(
    name="fairway",
    help="A self-custodial perpetual-futures exchange: every trade is co-signed, every settlement is proven.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(demo)
app.command()(serve)
app.command()(prover)
app.command()(deposit)
app.command()(withdraw)
app.command("audit")(audit_folder)
app.command("exit")(leave)
app.command()(watch)
app.command()(accuse)
app.add_typer(chain.app)
app.add_typer(lend.app)
app.add_typer(oracle.app)
app.add_typer(records.app)
app.add_typer(twap.app)
app.add_typer(venue.app)
app.add_typer(wallet.app)
app.add_typer(zkvm.app)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except FairwayError as error:
        typer.echo(str(error), err=True)
        sys.exit(OUR_FAULT if isinstance(error, IllegalTransition) else FAILED)
    except OSError as error:
        typer.echo(f"{error.strerror or error}: {error.filename or 'the system'} [cli.system]", err=True)
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001 - a traceback helps nobody who only runs a command
        typer.echo(f"our own fault, please report it: {error!r} [cli.fault]", err=True)
        sys.exit(OUR_FAULT)
