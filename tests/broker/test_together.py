"""Rounds: those who ask while one is under way share the next."""

import asyncio

import pytest

from broker.together import Together


class Work:
    """Rounds that end when they are let go."""

    def __init__(self) -> None:
        self.rounds: list[list[str]] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, keys: list[str]) -> int:
        """Notes what came, and returns the round's number."""
        self.rounds.append(keys)
        self.begun.set()
        await self.go.wait()
        return len(self.rounds)


async def test_who_asks_meanwhile_shares_the_next_round() -> None:
    """The same turn of the loop shares a round, whatever comes while it is under way the one after it."""
    work = Work()
    together = Together(work)
    first = asyncio.gather(together(["a"]), together(["b", "a"]))
    await work.begun.wait()
    second = asyncio.gather(together(["a"]), together(["c"]))
    await asyncio.sleep(0)
    work.go.set()
    assert list(await first) == [1, 1]
    assert list(await second) == [2, 2]
    assert work.rounds == [["a", "b"], ["a", "c"]]


async def test_an_error_is_everybody_s_and_the_next_round_begins_afresh() -> None:
    """Both who asked hear of it; one who asks afterwards does not."""
    failures = [OSError("full")]

    async def work(keys: list[str]) -> list[str]:
        if failures:
            raise failures.pop()
        return keys

    together = Together(work)
    told = await asyncio.gather(together(["a"]), together(["b"]), return_exceptions=True)
    assert [str(each) for each in told] == ["full", "full"]
    assert await together(["c"]) == ["c"]


async def test_who_stops_waiting_ends_nothing() -> None:
    """The others of the round get their result."""
    work = Work()
    together = Together(work)
    leaving = asyncio.create_task(together(["a"]))
    staying = asyncio.create_task(together(["b"]))
    await work.begun.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    work.go.set()
    assert await staying == 1
