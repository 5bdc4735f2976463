"""The same errands on a Ray cluster, its workers killed too. Ray is optional (requirements/ray.txt)."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from fairway.crypto.scalars import from_bytes
from fairway.errors import InvalidMessage, Unavailable

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (requirements/ray.txt)")

WITHIN_S = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    from fairway.service.cluster import Cluster

    port = free_port()
    options = ["prover", "--port", str(port), "--workers", "2"]
    code = "import sys; sys.argv[0] = 'fairway'; from fairway.cli.app import main; main()"
    with (tmp_path / "head.log").open("wb") as log:
        head = subprocess.Popen([sys.executable, "-c", code, *options], stdout=log, stderr=log)
    joined = Cluster(f"127.0.0.1:{port}")
    yield joined
    joined.close()
    head.terminate()
    head.wait(WITHIN_S)


async def test_a_cluster_does_errands_at_once_and_survives_its_workers(cluster):
    assert cluster.count == 2
    assert await cluster.do(abs, -7) == 7
    with pytest.raises(InvalidMessage) as caught:
        await cluster.do(from_bytes, b"short")
    assert (caught.value.code, caught.value.facts) == ("scalar.length", {"length": 5})
    with pytest.raises(ZeroDivisionError):
        await cluster.do(divmod, 1, 0)

    child = await cluster.do(os.getpid)
    slow = asyncio.gather(cluster.do(time.sleep, WITHIN_S), cluster.do(time.sleep, WITHIN_S), return_exceptions=True)
    await asyncio.sleep(1)
    os.kill(child, signal.SIGKILL)
    done, _ = await asyncio.wait({asyncio.ensure_future(cluster.do(abs, -8))}, timeout=WITHIN_S // 2)
    assert [each.result() for each in done] == [8], "the killed worker's place is taken while the other is at work"
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_a_killed_worker_of_a_cluster_is_told(cluster):
    child = await cluster.do(os.getpid)
    doomed = asyncio.ensure_future(cluster.do(time.sleep, WITHIN_S))
    await asyncio.sleep(1)
    os.kill(child, signal.SIGKILL)
    with pytest.raises(Unavailable) as caught:
        await asyncio.wait_for(doomed, WITHIN_S)
    assert caught.value.code == "prover.worker"
