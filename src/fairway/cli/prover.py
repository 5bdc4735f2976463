"""`fairway prover`: this machine's processors for a service that runs elsewhere."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from fairway.errors import Rejected

__all__ = ["prover"]

PORT = 6379


def prover(
    join: Annotated[
        str | None, typer.Option(help="Head of the cluster, host:port; without it this is the head.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where a head listens.")] = PORT,
    host: Annotated[str, typer.Option(help="This machine's address in the operator's own network.")] = "127.0.0.1",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that prove here; one a processor.")] = None,
) -> None:
    """Prove settlements for a service on another machine, until told to stop (needs the extra fairway[ray])."""
    if find_spec("ray") is None:
        raise Rejected("prover.ray", "provers on other machines need Ray: install fairway[ray]")
    count = os.cpu_count() or 1 if workers is None else workers
    place = ["--address", join] if join else ["--head", "--port", str(port), "--include-dashboard", "false"]
    options = ["--node-ip-address", host, "--num-cpus", str(count), "--disable-usage-stats", "--block"]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "ray.scripts.scripts", "start", *place, *options])  # noqa: S606 - fixed
