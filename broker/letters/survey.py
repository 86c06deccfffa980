"""Looking: what stands in the dead-letter queues, grouped by cause, and one letter in full."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from broker.connection import Endpoint
from broker.letters.letter import Letter
from broker.letters.reading import HELD_MAX, reader
from broker.letters.seen import Mark
from broker.letters.selection import Selection
from broker.letters.standing import Standing, judge
from documents.actors import utc_now


@dataclass(slots=True)
class Cause:
    """Letters that failed alike. `example` is the oldest one's id."""

    id: str
    group: str
    type: str
    reason: str
    error: str
    example: str
    count: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def add(self, letter: Letter) -> None:
        """Counts one more."""
        self.count += 1
        at = letter.last_failed_at
        if at is not None:
            self.oldest = min(self.oldest or at, at)
            self.newest = max(self.newest or at, at)


@dataclass(slots=True)
class Survey:
    """What stood there at `as_of`. `groups` counts all letters of each group; `letters` are the first of those meant.

    `truncated` names groups with more letters than one look reads; `marks` are how far it looked, by group.
    """

    as_of: datetime
    groups: dict[str, int] = field(default_factory=dict)
    matched: int = 0
    causes: list[Cause] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    truncated: list[str] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """One letter in full, and how it stands to the present."""

    letter: Letter
    body: bytes
    standing: Standing


async def survey(
    endpoint: Endpoint, selection: Selection, *, letters: int = 0, held_max: int = HELD_MAX
) -> Survey:
    """The letters that are meant, by cause, the commonest first; the first `letters` of them one by one.

    Raises `LettersBusy`, `LettersUnavailable`, `UnknownGroup`.
    """
    seen = Survey(utc_now())
    causes: dict[str, Cause] = {}
    async with reader(endpoint) as reading_on:
        for group in selection.groups:
            await reading_on.lock(group)
            async with reading_on.read(group, most=held_max) as reading:
                seen.groups[group.name] = reading.standing
                if reading.truncated:
                    seen.truncated.append(group.name)
                letters_here = [each.letter for each in reading.held]
                if (mark := Mark.of(letters_here)) is not None:
                    seen.marks[group.name] = mark
                meant = [letter for letter in letters_here if selection.takes(letter, seen.as_of)]
            _count(meant, causes)
            seen.matched += len(meant)
            seen.letters.extend(meant[: letters - len(seen.letters)])
    seen.causes = sorted(causes.values(), key=lambda cause: (-cause.count, cause.group, cause.id))
    return seen


def _count(letters: Iterable[Letter], causes: dict[str, Cause]) -> None:
    for letter in letters:
        cause = causes.get(letter.cause_id)
        if cause is None:
            cause = causes[letter.cause_id] = Cause(
                letter.cause_id, letter.group.name, letter.type, letter.reason, letter.cause, letter.id
            )
        cause.add(letter)


async def find(endpoint: Endpoint, name: str) -> list[Found]:
    """The letters of that id, or of the message of that id: usually one, one a group for an event.

    Raises `LettersBusy`, `LettersUnavailable`.
    """
    wanted = Selection(id=name)
    now = utc_now()
    found: dict[str, tuple[Letter, bytes]] = {}
    async with reader(endpoint) as reading_on:
        for group in wanted.groups:
            await reading_on.lock(group)
            async with reading_on.read(group, wants_body=lambda letter: wanted.takes(letter, now)) as reading:
                for each in reading.held:
                    if each.body is not None and each.letter.id not in found:
                        found[each.letter.id] = each.letter, each.body
    judged = await judge([letter for letter, _ in found.values()], now)
    return [
        Found(letter, body, standing) for (letter, body), standing in zip(found.values(), judged, strict=True)
    ]
