"""Several works at a time, and what happens to them when a process stops."""

import asyncio
from contextlib import suppress

import pytest

from broker import ending
from broker.ending import together
from ops.tasks import Stopped, first, unless_stopped


class Deaf:
    """Swallows its first cancellation, as `asyncio.wait_for` of Python 3.11 can (cpython#86296)."""

    def __init__(self) -> None:
        self.ended = False

    async def work(self) -> None:
        """Ends at the second one."""
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def test_the_first_ends_the_others_however_deaf_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes on would hold the process up for ever."""
    monkeypatch.setattr("ops.tasks.AGAIN_AFTER_S", 0.01)
    deaf = Deaf()
    await asyncio.wait_for(first(asyncio.sleep(0), deaf.work()), 10)
    assert deaf.ended


async def test_one_error_ends_all() -> None:
    """And is raised as it is."""
    deaf = Deaf()

    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await asyncio.wait_for(together((deaf.work(), fails())), 10)
    assert deaf.ended


async def test_work_is_done_where_nobody_stops_it() -> None:
    """Its result is handed on, and so is its error."""

    async def answer() -> int:
        return 42

    async def fails() -> int:
        raise ValueError("no")

    stop = asyncio.Event()
    assert await unless_stopped(stop, answer()) == 42
    with pytest.raises(ValueError, match="no"):
        await unless_stopped(stop, fails())


async def test_a_stop_ends_the_work() -> None:
    """Also where it came before."""
    stop, ended = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    asyncio.get_running_loop().call_soon(stop.set)
    with pytest.raises(Stopped):
        await unless_stopped(stop, waits())
    assert ended.is_set()
    with pytest.raises(Stopped):
        await unless_stopped(stop, asyncio.Event().wait())


async def test_what_was_done_in_the_moment_of_the_stop_is_handed_on() -> None:
    """A server that was started would have nobody to end it."""
    stop = asyncio.Event()

    async def starts() -> str:
        stop.set()
        return "started"

    assert await unless_stopped(stop, starts()) == "started"


async def test_what_is_ended_has_time_to_close() -> None:
    """A server that was being started is stopped, which takes longer than a lost cancellation is waited for."""
    stop, closed = asyncio.Event(), asyncio.Event()

    async def starts() -> None:
        try:
            stop.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(2 * ending.AGAIN_AFTER_S)
            closed.set()

    with pytest.raises(Stopped):
        await unless_stopped(stop, starts())
    assert closed.is_set()


async def test_what_goes_wrong_at_the_end_is_told() -> None:
    """It is not lost in the stop."""
    stop = asyncio.Event()

    async def starts() -> None:
        try:
            stop.set()
            await asyncio.Event().wait()
        finally:
            raise ValueError("it would not close")

    with pytest.raises(ValueError, match="would not close"):
        await unless_stopped(stop, starts())
