"""Group commit: all that waits goes to the journal in one write, the next starts when that one is back."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from broker.embedded.journal import Entry, Journal, JournalError

# One write's limits: MongoDB takes 48 MB a message, and a group of 2,000 is past the point where larger ones
# are faster.
GROUP_ENTRIES_MAX = 2_000
GROUP_BYTES_MAX = 24 * 1024 * 1024
# Removals and marks may wait this long for company; a crash meanwhile only means a second delivery.
LAZY_S = 0.02
RETRY_S = 0.5

log = logging.getLogger(__name__)

Kept = Callable[[JournalError | None], None]


@dataclass(slots=True)
class _Submission:
    entries: list[Entry]
    kept: Kept


class JournalWriter:
    """Feeds one journal. `submit` keeps order: callbacks come in the order of the submissions."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: deque[_Submission] = deque()
        self._removals: set[int] = set()
        self._marks: dict[str, int] = {}
        self._marked: list[Callable[[], None]] = []
        self._appending: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def message_bytes_max(self) -> int:
        """The largest message, body and properties, that the journal takes."""
        return self._journal.message_bytes_max

    def submit(self, entries: list[Entry], kept: Kept) -> None:
        """Have `entries` kept (none: only keep the order), then call `kept`, with the error if it failed."""
        self._waiting.append(_Submission(entries, kept))
        if self._appending is None:
            self._appending = asyncio.get_running_loop().create_task(self._append())

    def remove(self, entry_id: int) -> None:
        """Drop an entry, soon."""
        self._removals.add(entry_id)
        self._tidy()

    def mark(self, queue: str, entry_id: int, then: Callable[[], None] | None = None) -> None:
        """Note that `entry_id` of `queue` is (about to be) delivered; `then` is called once that is kept."""
        self._marks[queue] = max(entry_id, self._marks.get(queue, 0))
        if then is not None:
            self._marked.append(then)
        self._tidy()

    async def flush(self) -> None:
        """Bring everything to the journal, or give up on what it refuses: for a clean stop."""
        self._stopping = True
        if self._appending is not None:
            await self._appending
        if self._tidying is not None:
            await self._tidying
        await self._tidy_once()

    async def _append(self) -> None:
        while self._waiting:
            group = self._next_group()
            entries = [entry for submission in group for entry in submission.entries]
            failure = None
            if entries:
                try:
                    await self._journal.append(entries)
                except JournalError as error:
                    failure = error
                    log.error("%d messages refused: %s", len(entries), error)
                    # The write may have come through in part: what was refused must not come back at the next
                    # start.
                    self._removals.update(entry.id for entry in entries)
                    self._tidy()
            for submission in group:
                submission.kept(failure if submission.entries else None)
        self._appending = None

    def _next_group(self) -> list[_Submission]:
        group: list[_Submission] = []
        count = size = 0
        while self._waiting and count < GROUP_ENTRIES_MAX and size < GROUP_BYTES_MAX:
            submission = self._waiting.popleft()
            count += len(submission.entries)
            size += sum(len(entry.body) for entry in submission.entries)
            group.append(submission)
        return group

    def _tidy(self) -> None:
        if self._tidying is None and not self._stopping:
            self._tidying = asyncio.get_running_loop().create_task(self._tidy_while_needed())

    async def _tidy_while_needed(self) -> None:
        while self._removals or self._marks:
            if not self._marked:  # somebody waits for a mark: no time to lose
                await asyncio.sleep(LAZY_S)
            if not await self._tidy_once():
                if self._stopping:
                    break
                await asyncio.sleep(RETRY_S)
        self._tidying = None

    async def _tidy_once(self) -> bool:
        removals, self._removals = self._removals, set()
        marks, self._marks = self._marks, {}
        marked, self._marked = self._marked, []
        try:
            if marks:
                await self._journal.mark(marks)
                marks = {}
                for then in marked:
                    then()
                marked = []
            if removals:
                await self._journal.remove(list(removals))
        except JournalError as error:
            log.warning("%s; trying again in %s s", error, RETRY_S)
            self._removals |= removals
            for queue, entry_id in marks.items():
                self._marks[queue] = max(entry_id, self._marks.get(queue, 0))
            self._marked = [*marked, *self._marked]
            return False
        return True
