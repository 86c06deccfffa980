"""What explains that something has not followed: dead letters that stand, messages that wait, replays just begun.

It is read once and kept small: a hash a letter or a waiting message, whatever their size.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from broker.groups import UnorderedGroup
from broker.letters import Letter, LettersBusy, LettersUnavailable
from broker.retry import Delayed
from broker.topology import BY_NAME, GROUPS, RETRY_TIERS, Group
from documents.actors import utc_now
from documents.audit import AuditEntry, Deed
from ops.check.queues import Broker, JournalQueues

REPLAYS_MAX = 1_000  # the latest ones; those that still matter are of the last hours

Database = AsyncDatabase[dict[str, Any]]


def _longest_retry() -> timedelta:
    policy = Delayed(UnorderedGroup.attempts_max)
    tiers = (policy.next(attempts) for attempts in range(1, policy.attempts_max))
    return timedelta(seconds=sum(tier.delay_s for tier in tiers if tier is not None))


LONGEST_RETRY = _longest_retry()  # between a message's first attempt and its last


class Told(NamedTuple):
    """As much of a letter as is held against its receipt."""

    message_id: str
    type: str
    failed_at: datetime | None


def told(letter: Letter) -> Told:
    """Of a letter as it was read."""
    return Told(letter.message_id, letter.type, letter.last_failed_at)


@dataclass(slots=True)
class Dead:
    """A group's dead letters as they stood at `at`; `unread` says why nobody could look, and then nothing is known.

    `letters` are kept where they cannot be read again in the same moment (RabbitMQ).
    """

    group: Group
    at: datetime
    unread: str | None = None
    letters: list[Told] | None = None
    counts: dict[bytes, int] = field(default_factory=dict)

    def add(self, letter: Told) -> None:
        """One that stands there."""
        key = letter_key(letter)
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.letters is not None:
            self.letters.append(letter)

    def stands(self, message_id: str, failed_at: datetime) -> bool:
        """Whether the letter of this very failure stands there, or one that does not say when it failed."""
        of_it = (Told(message_id, "", failed_at), Told(message_id, "", None))
        return any(letter_key(each) in self.counts for each in of_it)


def letter_key(letter: Told) -> bytes:
    """The same for two letters of the same failure."""
    at = letter.failed_at.astimezone(UTC).isoformat() if letter.failed_at is not None else ""
    return digest(letter.message_id, at)


def digest(*parts: str) -> bytes:
    """16 bytes for some texts."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


async def dead_letters(broker: Broker) -> dict[str, Dead]:
    """All groups' dead letters, by group."""
    return {group.name: await dead_of(broker, group) for group in GROUPS}


async def dead_of(broker: Broker, group: Group) -> Dead:
    """One group's."""
    dead = Dead(group, utc_now(), letters=None if isinstance(broker, JournalQueues) else [])
    dead.unread = broker.readable(group)
    if dead.unread is None:
        try:
            async for letter in broker.letters(group):
                dead.add(told(letter))
        except (LettersBusy, LettersUnavailable) as error:
            dead.unread = str(error)
        else:
            dead.unread = broker.readable(group)  # too many may have come meanwhile
    return dead


async def under_way(broker: JournalQueues) -> set[bytes]:
    """What waits in the embedded broker's queues, by message and by what it is about; see `waiting_key`."""
    group_of = {queue: group.name for group in GROUPS for queue in _queues(group)}
    names: set[bytes] = set()
    async for queue, envelope in broker.envelopes():
        if queue in group_of:
            names.update(waiting_key(group_of[queue], name) for name in (envelope.id, envelope.key) if name)
    return names


def waiting_key(group: str, name: str) -> bytes:
    """Of a message's id, or of its actor's key, that waits for a group."""
    return digest(group, name)


def queues_of(group: str) -> tuple[str, ...]:
    """Where messages wait for a group, its retry queues included."""
    return tuple(_queues(BY_NAME[group]))


def _queues(group: Group) -> Iterator[str]:
    yield from group.queues
    yield group.undertaker
    yield from (group.retry(tier) for tier in RETRY_TIERS)


async def replays(database: Database) -> dict[str, datetime]:
    """When letters of a group were last sent round again, by group: from then on they may be under way."""
    found: dict[str, datetime] = {}
    entries = database[AuditEntry.Settings.name].find(
        {"deed": Deed.REPLAYED.value}, {"at": 1, "selection.group": 1}
    )
    async for row in entries.sort("at", DESCENDING).limit(REPLAYS_MAX):
        group = row.get("selection", {}).get("group")
        for name in BY_NAME if group is None else (group,):
            found.setdefault(name, row["at"])
    return found


async def dying(database: Database, session: AsyncClientSession | None) -> set[bytes]:
    """Letters that are still on their way to their queue, in the outbox; see `waiting_key`."""
    group_of = {group.dead: group.name for group in GROUPS}
    rows = database["outbox"].find(
        {"exchange": "", "routing_key": {"$in": list(group_of)}},
        {"routing_key": 1, "message_id": 1},
        session=session,
    )
    return {waiting_key(group_of[row["routing_key"]], row["message_id"]) async for row in rows}


def newest(times: Iterable[datetime | None]) -> datetime | None:
    """The latest of those that are known."""
    return max((at for at in times if at is not None), default=None)
