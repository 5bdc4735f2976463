"""How many settlements a second one core proves and verifies, ranges included, for several lengths of epoch.

    python -m benchmarks.epochs

Whole closes and partial ones in turn, made as the engine makes them. A settlement counts as verified with its own proof
and its share of the epoch's; one by one and as batches, in turns. The last line compares one proving process with two.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fairway.crypto import ranges
from fairway.service.workers import Processes
from fairway.settlement import epoch
from fairway.settlement.job import Job, prove_records
from fairway.settlement.proof import prove, verify, verify_batch

sys.path.append(str(Path(__file__).parents[1] / "tests" / "unit"))

from settlement_cases import case

LENGTHS = (1, 4, 16, 64)
ROUNDS = 3
ERRANDS = 24
ENTROPY = bytes(range(32))


def jobs(count: int) -> list[Job]:
    made = []
    for i in range(count):
        one = case(31_000 + i, held=(701, 1001)[i % 2])
        made.append(Job(one.settle(f"settlement {i}"), (one.opened,)))
    return made


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def row(length: int) -> str:
    made = jobs(length)
    txs = [prove(job.record, ENTROPY) for job in made]
    proving = min(seconds(lambda: [prove(job.record, ENTROPY) for job in made]) for _ in range(3))
    private = [record for job in made for record in job.private()]
    public = [record for job in made for record in job.public()]
    start = time.perf_counter()
    proof = epoch.prove_epoch(private, ENTROPY)
    ranging = time.perf_counter() - start

    def apart() -> None:
        for tx in txs:
            verify(tx)
        digest = epoch.digest(record.txid for record in public)
        points = [point for record in public for point in record.ranged()]
        for index, part in enumerate(proof.proofs):
            group = points[index * epoch.GROUP : (index + 1) * epoch.GROUP]
            statement = epoch.DOMAIN + digest + index.to_bytes(4, "little")
            ranges.verify_batch([(group, epoch.BITS, statement, part)])

    def together() -> None:
        verify_batch(txs)
        epoch.verify_epoch(public, proof)

    rounds = [(seconds(apart), seconds(together)) for _ in range(ROUNDS)]
    one, all_ = (statistics.median(column) for column in zip(*rounds, strict=True))
    gains = sorted(a / b for a, b in rounds)
    size = (sum(len(tx.proof) for tx in txs) + len(proof.encode())) // length
    return (
        f"{length:6} {len(proof.proofs):6} {length / (proving + ranging):8.1f}/s {length / one:8.1f}/s "
        f"{length / all_:8.1f}/s {statistics.median(gains):6.2f}x ({gains[0]:.2f}-{gains[-1]:.2f}) {size:7} bytes"
    )


async def shared_out(count: int, work: list[Job]) -> float:
    workers = Processes(count)
    try:
        await asyncio.gather(*(workers.do(abs, -1) for _ in range(count)))
        turns = asyncio.Semaphore(count)

        async def one() -> None:
            async with turns:
                await workers.do(prove_records, work, ENTROPY)

        start = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(ERRANDS)))
        return time.perf_counter() - start
    finally:
        workers.close()


def main() -> None:
    load = os.getloadavg()[0]
    print(f"load {load:.1f} before\nlength groups    proven   one by one   together   gain (min-max)   a settlement")
    for length in LENGTHS:
        print(row(length))
    work = jobs(32)
    gains = []
    for _ in range(3):
        alone = asyncio.run(shared_out(1, work))
        gains.append(alone / asyncio.run(shared_out(2, work)))
    gains.sort()
    print(f"two processes on {os.cpu_count()} processors: {gains[1]:.2f}x ({gains[0]:.2f}-{gains[-1]:.2f})")
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
