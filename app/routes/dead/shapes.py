"""What is asked of dead letters over HTTP, and how they are shown."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self

import msgspec

from app.routes.inputs import Input
from broker.letters import HELD_MAX, Letter, Mark, Result, Seen, Selection, Survey

NAME_MAX = 255
SECONDS_MAX = 10 * 365 * 86_400

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
Age = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Select(Input, frozen=True, kw_only=True):
    """Which letters: all of it together; nothing said means all.

    `id` is a letter's or a message's, `cause` a cause's id or a reason, ages are seconds since the last failure,
    `before` is the cut-off: of what failed later, and of what does not say when it failed.
    """

    group: Name | None = None
    cause: Name | None = None
    type: Name | None = None
    id: Name | None = None
    older_than_s: Age | None = None
    newer_than_s: Age | None = None
    before: Time | None = None

    @property
    def selection(self) -> Selection:
        """As the broker's side takes it."""
        return Selection(
            self.group,
            self.cause,
            self.type,
            self.id,
            timedelta(seconds=self.older_than_s) if self.older_than_s is not None else None,
            timedelta(seconds=self.newer_than_s) if self.newer_than_s is not None else None,
            self.before,
        )


class SeenInGroup(Input, frozen=True, kw_only=True):
    """How far a look went into one queue: so many letters, and the id of the last."""

    count: Annotated[int, msgspec.Meta(ge=1, le=HELD_MAX)]
    last: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SeenView(Input, frozen=True, kw_only=True):
    """What a list or a dry run looked at, to be sent back as it is; groups without letters are not in it."""

    as_of: Time
    groups: dict[str, SeenInGroup]

    @classmethod
    def of(cls, look: Survey | Result) -> Self:
        """How far a look went."""
        groups = {name: SeenInGroup(count=mark.count, last=mark.last) for name, mark in look.marks.items()}
        return cls(as_of=look.as_of, groups=groups)


class Doing(Select, frozen=True, kw_only=True):
    """Something to be done to letters. With `seen` of a look to nothing that arrived after it, whatever its times.

    Ages are counted to that look then. If the last letter of it is gone, nothing is done and `stopped` says so.
    """

    dry_run: bool = False
    seen: SeenView | None = None

    @property
    def looked(self) -> Seen | None:
        """What was seen, as the broker's side takes it."""
        if self.seen is None:
            return None
        marks = {name: Mark(each.count, each.last) for name, each in self.seen.groups.items()}
        return Seen(self.seen.as_of, marks)


class ReplayInput(Doing, frozen=True, kw_only=True):
    """Send letters round again; `force` those too whose actor has moved on, or that are too old."""

    force: bool = False


class DropInput(Doing, frozen=True, kw_only=True):
    """Drop letters for good; `reason` is kept with each. Group, cause, type or id is needed; times only narrow them."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"\S")]


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter. `size` is its body's in bytes; `story` has a line for each failure, the latest last."""

    id: str
    group: str
    message_id: str
    type: str
    actor: str
    origin: str
    reason: str
    error: str
    cause: str
    attempts: int
    replays: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None
    accepted_at: datetime | None
    sender: str | None
    correlation_id: str
    size: int
    story: list[str]


class FullLetterView(LetterView, frozen=True, kw_only=True):
    """A dead letter with everything: its headers, its message (as text where it is no JSON), and how it stands.

    `standing`: `ready`, `settled` (a replay would change nothing), `superseded` or `expired` (only by force), `cut`
    (can only be dropped). `console` is the page of its queue in RabbitMQ's management console, null where there is
    none.
    """

    standing: str
    console: str | None
    headers: dict[str, Any]
    body: Any


class CauseView(msgspec.Struct, frozen=True, kw_only=True):
    """Letters that failed alike; `example` is one of them.

    `console` is the page of their queue in RabbitMQ's management console, null where there is none.
    """

    id: str
    group: str
    type: str
    reason: str
    error: str
    example: str
    count: int
    oldest: datetime | None
    newest: datetime | None
    console: str | None


class DeadView(msgspec.Struct, frozen=True, kw_only=True):
    """What stood there at `as_of`. `groups` counts all letters of each, `matched` those that were asked for.

    `truncated` names groups with more letters than one look reads; `seen` is how far it went, for a run that follows.
    """

    as_of: datetime
    groups: dict[str, int]
    matched: int
    causes: list[CauseView]
    letters: list[LetterView]
    truncated: list[str]
    seen: SeenView


class LettersView(msgspec.Struct, frozen=True, kw_only=True):
    """The letters of one id."""

    items: list[FullLetterView]


class DoneView(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, or with `dry_run` would be: `done` of `matched` letters, the others stay where they are.

    `standings` counts how they stand, `stays` those that a replay leaves; `stopped` says why it ended before its end;
    `letters` names the first ones; `seen` is what a dry run looked at, for the run that follows it.
    """

    run: str
    as_of: datetime
    dry_run: bool
    matched: int
    done: int
    standings: dict[str, int]
    stays: dict[str, int]
    stopped: str | None
    truncated: list[str]
    letters: list[LetterView]
    seen: SeenView | None


def letter_view(letter: Letter) -> LetterView:
    """A letter as a list shows it."""
    return LetterView(
        id=letter.id,
        group=letter.group.name,
        message_id=letter.message_id,
        type=letter.type,
        actor=letter.actor,
        origin=letter.origin,
        reason=letter.reason,
        error=letter.error,
        cause=letter.cause_id,
        attempts=letter.attempts + letter.earlier_attempts,
        replays=letter.replays,
        first_failed_at=letter.first_failed_at,
        last_failed_at=letter.last_failed_at,
        accepted_at=letter.accepted_at,
        sender=letter.sender,
        correlation_id=letter.correlation_id,
        size=letter.size,
        story=list(letter.story),
    )


def body_view(body: bytes) -> Any:
    """A message as JSON, or as text where it is none."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("utf-8", "backslashreplace")


def done_view(result: Result) -> DoneView:
    """What a run did."""
    return DoneView(
        run=result.run,
        as_of=result.as_of,
        dry_run=result.dry_run,
        matched=result.matched,
        done=result.done,
        standings=result.standings,
        stays=result.stays,
        stopped=result.stopped,
        truncated=result.truncated,
        letters=[letter_view(each) for each in result.named],
        seen=SeenView.of(result) if result.dry_run else None,
    )
