"""The collector while a state is built, and after."""

import gc
import weakref

from fairway.service.heap import THRESHOLDS, building


class Node:
    """Something that can be part of a cycle."""

    def __init__(self):
        self.other = self


def test_what_was_built_is_never_walked_again_and_later_cycles_are_freed():
    before = gc.get_threshold()
    try:
        with building():
            assert not gc.isenabled()
            built = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(built)
        assert gc.get_threshold() == THRESHOLDS
        lost = weakref.ref(Node())
        gc.collect()
        assert lost() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
