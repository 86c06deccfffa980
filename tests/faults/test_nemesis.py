"""The schedule is the seed's, and covers what it should."""

from itertools import pairwise

from tests.faults.kinds import KINDS
from tests.faults.nemesis import schedule
from tests.faults.stand import Shape


def test_the_same_seed_gives_the_same_schedule() -> None:
    """To the last die; another seed gives another one."""
    assert schedule(7, 60, Shape(), 60) == schedule(7, 60, Shape(), 60)
    assert schedule(7, 60, Shape(), 60) != schedule(8, 60, Shape(), 60)


def test_every_kind_comes_once_before_any_comes_again() -> None:
    """A run that is long enough has met them all."""
    faults = schedule(3, len(KINDS), Shape(), 60)
    assert sorted(fault.kind for fault in faults) == sorted(KINDS)


def test_a_short_run_has_no_long_faults() -> None:
    """Ten faults are over soon, and nothing is frozen for longer than it may be."""
    for seed in range(20):
        faults = schedule(seed, 10, Shape(), 15)
        assert not any(KINDS[fault.kind].long for fault in faults)
        assert max(fault.freeze_s for fault in faults) <= 15


def test_faults_that_touch_the_same_are_never_done_together() -> None:
    """Two at a time at most, and each finds what it needs."""
    for seed in range(20):
        faults = schedule(seed, 60, Shape(), 60)
        for before, fault in pairwise(faults):
            if fault.together:
                assert not before.together
                assert not KINDS[before.kind].touches & KINDS[fault.kind].touches


def test_what_recovery_is_measured_after_is_left_alone() -> None:
    """Nothing else goes wrong beside it, nor soon after."""
    for seed in range(20):
        faults = schedule(seed, 60, Shape(), 60)
        for before, fault in pairwise(faults):
            if (alone_s := KINDS[before.kind].alone_s) > 0:
                assert not before.together
                assert not fault.together
                assert before.gap_s >= alone_s
