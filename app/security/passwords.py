"""Passwords: argon2id in threads of its own, bounded.

A hash costs a core tens of milliseconds and 19 MiB, on purpose. So a fixed number run at a time, a bounded
number wait, and the rest is told to come back: sign-ins must not be a way to exhaust the edge.
"""

import asyncio
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

# OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2 passes, 1 lane. Measured here: 49 ms on one core.
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1

THREADS_MAX = 4
WAITING_MAX = 200  # on two threads of 50 ms each: a wait of at most 5 s

T = TypeVar("T")


class Overloaded(Exception):
    """More passwords wait than can be checked in time; nothing was checked."""

    retry_after_s = 2


class Passwords:
    """Hashes and verifies passwords off the event loop. One for each process; `close` ends its threads.

    `memory_kib`, `passes` and `lanes` are argon2's cost: the default is OWASP's, tests take the smallest. At
    most `threads` run and `waiting_max` wait; beyond that every call raises `Overloaded` at once.
    """

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        lanes: int = LANES,
        threads: int | None = None,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        count = threads or min(THREADS_MAX, os.cpu_count() or 1)
        self._hasher = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="passwords")
        self._room = threading.BoundedSemaphore(count + waiting_max)

    async def hash(self, password: str) -> str:
        """The encoded hash of a password, with a salt of its own. Raises `Overloaded`."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one behind the hash. Raises `Overloaded`.

        No hash (an unknown account, or one without a password) takes the time of a wrong password, and is
        one.
        """
        return await self._run(lambda: self._verify(password_hash, password))

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made at another cost, and should be made again while the password is at hand."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Ends the threads; what still waits is cancelled."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        try:
            self._hasher.verify(password_hash or self._decoy, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            raise ValueError(
                "a stored password hash is damaged: restore it, or have its owner reset it"
            ) from error
        return password_hash is not None

    @functools.cached_property
    def _decoy(self) -> str:
        return self._hasher.hash("the password of nobody")

    async def _run(self, work: Callable[[], T]) -> T:
        # Room is given back when the thread is done, not when the caller stops waiting: a client that hangs
        # up after every request would otherwise fill the threads without a limit.
        if not self._room.acquire(blocking=False):
            raise Overloaded("too many passwords wait to be checked")
        try:
            future = self._pool.submit(work)
        except RuntimeError:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)
