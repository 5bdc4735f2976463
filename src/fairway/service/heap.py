"""What the service asks of Python's garbage collector: not to walk its whole state while users wait.

The state holds no cycles: counting references frees it. A full collection would visit every order and every account,
and take longer the more there are; left alone it comes when the heap has grown by a quarter.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["building"]

THRESHOLDS = 50_000, 20, 100
"""Allocations between looks at the youngest objects, and how many of those between looks at older ones."""


@contextmanager
def building() -> Iterator[None]:
    """While a replay rebuilds the state nothing is looked at; what it leaves is never looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.enable()
