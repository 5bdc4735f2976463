"""Figures of this machine, taken in the same run: what signatures and proofs cost on one core."""

from __future__ import annotations

import time
from collections.abc import Callable

from fairway.crypto.keys import Signer, verify
from fairway.settlement.proof import prove
from fairway.settlement.proof import verify as verify_settlement
from fairway.settlement.settlement import Settlement

__all__ = ["proof_times_us", "signature_limit"]

ROUNDS = 400
PROOFS = 12
MESSAGE = bytes(32)


def signature_limit() -> int:
    """Co-signed states a second that signatures alone would allow: one verified, one made, the same library."""
    signer = Signer.of(bytes(31) + b"\1")
    signature = signer.sign(MESSAGE)

    def cosign() -> None:
        verify(signer.key, MESSAGE, signature)
        signer.sign(MESSAGE)

    return 1_000_000_000 // _median_ns(cosign, ROUNDS)


def proof_times_us(settlement: Settlement) -> tuple[int, int]:
    """Median microseconds to prove and to verify `settlement`, its ranges apart."""
    proven = prove(settlement, bytes(32))
    made = _median_ns(lambda: prove(settlement, bytes(32)), PROOFS)
    checked = _median_ns(lambda: verify_settlement(proven), PROOFS)
    return made // 1000, checked // 1000


def _median_ns(work: Callable[[], object], rounds: int) -> int:
    times = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - began)
    return max(1, sorted(times)[rounds // 2])
