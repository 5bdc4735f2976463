"""Provers on other machines: a Ray cluster with the face of `workers.Processes`.

An operator starts a head and lets machines join it (`fairway prover`), all with this version of the package; the
service connects with `fairway serve --ray`. An errand carries openings, which are secrets of the venue: the cluster's
network must be the operator's own, and Ray encrypts only where it is told to (`RAY_USE_TLS`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fairway.errors import FairwayError, Rejected, Unavailable

__all__ = ["Cluster"]

T = TypeVar("T")


class Cluster:
    """The processors of a Ray cluster. Ray is optional: the extra `fairway[ray]`, locked in requirements/ray.txt."""

    def __init__(self, address: str) -> None:
        """Join the cluster whose head is at `address`; waits for it.

        Errors: `Rejected` (`prover.ray`) where Ray is not installed, `Unavailable` where nobody answers.
        """
        try:
            import ray  # noqa: PLC0415 - optional, and slow to load
        except ImportError:
            raise Rejected("prover.ray", "provers on other machines need Ray: install fairway[ray]") from None
        try:
            ray.init(address=address, namespace="fairway", log_to_driver=False, ignore_reinit_error=True)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise Unavailable("prover.cluster", f"no Ray cluster answers at {address}") from error
        self._ray: Any = ray
        # A lost errand is asked for again by whoever wanted it, with fresh entropy: Ray must not repeat it by itself.
        self._errand: Any = ray.remote(num_cpus=1, max_retries=0)(_do)

    @property
    def count(self) -> int:
        """How many errands get on at once: the processors of all machines that have joined so far."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 0)))

    async def do(self, errand: Callable[..., T], *arguments: object) -> T:
        """What `errand` returns or raises; `Unavailable` (`prover.worker`) if its worker or machine is gone."""
        reference = self._errand.remote(errand, arguments)
        try:
            outcome: tuple[T | None, FairwayError | None] = await asyncio.wrap_future(reference.future())
        except asyncio.CancelledError:
            self._ray.cancel(reference, force=True)
            raise
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise Unavailable("prover.worker", "a proving worker died") from error
        result, refusal = outcome
        if refusal is not None:
            raise refusal
        return result  # type: ignore[return-value]  # without a refusal there is a result

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()


def _do(errand: Callable[..., T], arguments: tuple[object, ...]) -> tuple[T | None, FairwayError | None]:
    """The result, or the refusal as it is: an errand that errs otherwise is logged by Ray as a fault."""
    try:
        return errand(*arguments), None
    except FairwayError as refusal:
        return None, refusal
