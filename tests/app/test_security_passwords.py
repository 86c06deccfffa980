"""Password hashing: what it costs, how much of it runs at once, and what a wrong password tells."""

import asyncio
import threading
import time

import pytest

from app.security.passwords import MEMORY_KIB, PASSES, Overloaded, Passwords


async def test_the_default_cost_is_owasps() -> None:
    """argon2id, 19 MiB, two passes, one lane, and a salt for each hash."""
    passwords = Passwords(threads=1)
    one, other = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert one.startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p=1$")
    assert one != other
    assert await passwords.verify(one, "correct horse")
    assert not await passwords.verify(one, "correct house")
    assert not passwords.is_outdated(one)
    passwords.close()


async def test_nobodys_password_costs_as_much_as_a_wrong_one() -> None:
    """An unknown account is refused after the same work, also for the decoy's own password."""
    passwords = Passwords(memory_kib=64 * 1024, passes=1, threads=1)
    known = await passwords.hash("correct horse")
    await passwords.verify(None, "x")  # the decoy is made once

    async def fastest(password_hash: str | None) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            assert not await passwords.verify(password_hash, "wrong")
            times.append(time.perf_counter() - began)
        return min(times)

    unknown_s, wrong_s = await fastest(None), await fastest(known)
    assert 0.4 < unknown_s / wrong_s < 2.5
    assert not await passwords.verify(None, "the password of nobody")
    passwords.close()


async def test_no_more_than_the_bound_wait() -> None:
    """One runs, one waits, the third is told to come back; room returns when they are done."""
    passwords = Passwords(memory_kib=8, passes=1, threads=1, waiting_max=1)
    go = threading.Event()
    first = asyncio.create_task(passwords._run(go.wait))
    second = asyncio.create_task(passwords.hash("b"))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.hash("c")
    go.set()
    await asyncio.gather(first, second)
    assert await passwords.hash("d")
    passwords.close()


async def test_a_client_that_hangs_up_frees_no_thread() -> None:
    """Room is taken until the thread is done, not until the caller gives up."""
    passwords = Passwords(memory_kib=8, passes=1, threads=1, waiting_max=0)
    go, began = threading.Event(), threading.Event()

    def work() -> bool:
        began.set()
        return go.wait()

    task = asyncio.create_task(passwords._run(work))
    await asyncio.to_thread(began.wait, 10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(Overloaded):
        await passwords.hash("b")
    go.set()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await passwords.hash("b")
                break
            except Overloaded:
                await asyncio.sleep(0.01)
    passwords.close()


async def test_a_damaged_hash_is_an_error_of_ours() -> None:
    """What cannot be verified is not quietly a wrong password."""
    passwords = Passwords(memory_kib=8, passes=1, threads=1)
    with pytest.raises(ValueError, match="damaged"):
        await passwords.verify("no hash", "password")
    with pytest.raises(ValueError, match="damaged"):
        await passwords.verify("$argon2id$v=19$m=8,t=1,p=1$AAAA", "password")
    passwords.close()
    with pytest.raises(RuntimeError):
        await passwords.hash("a")
