"""The garbage collector: what stands is left alone, and what comes is not."""

import gc
import weakref

from ops.garbage import YOUNG, keep_what_stands


class Ring:
    """Refers to itself, so that only the collector can take it."""

    def __init__(self) -> None:
        self.myself = self


def test_what_stands_is_kept_and_what_comes_is_collected() -> None:
    """A full collection looks at far fewer objects than there are, and still takes every new cycle."""
    before, threshold = weakref.ref(Ring()), gc.get_threshold()
    try:
        keep_what_stands()
        assert before() is None
        assert gc.get_freeze_count() > 10 * len(gc.get_objects())
        after = weakref.ref(Ring())
        for _ in range(YOUNG // 4):
            Ring()
        assert after() is not None, "collected too soon"
        for _ in range(2 * YOUNG):
            Ring()
        assert after() is None, "nothing was collected by itself"
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
