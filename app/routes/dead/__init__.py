"""Dead letters over HTTP: what could not be processed, to be looked at, replayed or dropped. Staff only."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from app.edge import Edge, edge_of
from app.problems import CODES, Code, Problem, invalid
from app.routes.answers import problems
from app.routes.dead.shapes import (
    NAME_MAX,
    SECONDS_MAX,
    CauseView,
    DeadView,
    DoneView,
    DropInput,
    FullLetterView,
    LettersView,
    ReplayInput,
    SeenView,
    Select,
    body_view,
    done_view,
    letter_view,
)
from app.security.guards import require_staff
from app.security.principal import somebody
from broker import letters
from broker.letters import LettersBusy, LettersUnavailable, NothingNamed, UnknownGroup
from broker.topology import BY_NAME

CODES["dead_letters_busy"] = Code(503, "Somebody else reads these dead letters just now")

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")

LISTED_MAX = 1_000
NO_STORE = {"Cache-Control": "no-store"}
NAMES_MAX = 10  # unknown names of a query that are told
ASKED = frozenset(Select.__struct_fields__) - {"id"} | {"limit"}
CAUSE = tuple(name for name in CauseView.__struct_fields__ if name != "console")

Text = Annotated[str | None, QueryParameter(min_length=1, max_length=NAME_MAX)]
Seconds = Annotated[float | None, QueryParameter(ge=0, le=SECONDS_MAX)]
Before = Annotated[datetime | None, QueryParameter(description="Only what failed before; with a zone")]
Limit = Annotated[int, QueryParameter(ge=0, le=LISTED_MAX, description="Letters to name one by one")]


class DeadLetters(Controller):
    """What stands in the dead-letter queues. Every look reads the queues themselves."""

    path = "/admin/dead"
    tags = ("admin",)
    guards = (require_staff,)
    opt = {"access": "staff"}

    @get(
        "/",
        operation_id="listDeadLetters",
        summary="Dead letters by cause",
        responses=problems(401, 403, 422, 503),
    )
    async def read(
        self,
        request: AnyRequest,
        group: Text = None,
        cause: Text = None,
        type: Text = None,  # noqa: A002 - the contract's word
        older_than_s: Seconds = None,
        newer_than_s: Seconds = None,
        before: Before = None,
        limit: Limit = 0,
    ) -> Response[DeadView]:
        """The commonest cause first, and the first `limit` letters in the order of their queues."""
        # A name that nobody knows is an error, as in a body: without its selector everything would be shown.
        if unknown := sorted(set(request.query_params) - ASKED):
            raise invalid(**{name[:NAME_MAX]: "is not known here" for name in unknown[:NAMES_MAX]})
        if before is not None and before.tzinfo is None:
            raise invalid(before="needs a zone, such as Z")
        asked = Select(
            group=group,
            cause=cause,
            type=type,
            older_than_s=older_than_s,
            newer_than_s=newer_than_s,
            before=before,
        )
        edge = edge_of(request)
        found = await _told(letters.survey(edge.endpoint, asked.selection, letters=limit))
        view = DeadView(
            as_of=found.as_of,
            groups=found.groups,
            matched=found.matched,
            causes=[
                CauseView(**{name: getattr(each, name) for name in CAUSE}, console=_console(edge, each.group))
                for each in found.causes
            ],
            letters=[letter_view(each) for each in found.letters],
            truncated=found.truncated,
            seen=SeenView.of(found),
        )
        return Response(view, headers=NO_STORE)

    @get(
        "/{name:str}",
        operation_id="getDeadLetter",
        summary="A dead letter in full",
        responses=problems(401, 403, 404, 503),
    )
    async def show(self, request: AnyRequest, name: FromPath[str]) -> Response[LettersView]:
        """By the letter's id or the message's: an event that failed in two groups is two letters."""
        edge = edge_of(request)
        found = await _told(letters.find(edge.endpoint, name))
        if not found:
            raise Problem(404, "not_found", f"There is no dead letter {name[:64]}")
        items = [
            FullLetterView(
                **msgspec.structs.asdict(letter_view(each.letter)),
                standing=each.standing.value,
                console=_console(edge, each.letter.group.name),
                headers=dict(each.letter.headers),
                body=body_view(each.body),
            )
            for each in found
        ]
        return Response(LettersView(items=items), headers=NO_STORE)

    @post(
        "/replay",
        operation_id="replayDeadLetters",
        status_code=200,
        summary="Send dead letters round again",
        responses=problems(400, 401, 403, 422, 503),
    )
    async def replay(self, request: AnyRequest, data: JSONBody[ReplayInput]) -> DoneView:
        """Only letters that stood there when it began. What became of the messages, their operations say.

        A replay of what was processed already changes nothing. With `seen` as a list or a dry run gave it, only what
        was looked at then goes, and nothing that arrived later.
        """
        edge = edge_of(request)
        return done_view(
            await _told(
                letters.replay(
                    edge.endpoint,
                    edge.publisher,
                    data.selection,
                    by=somebody(request).sender.id,
                    forced=data.force,
                    dry_run=data.dry_run,
                    seen=data.looked,
                )
            )
        )

    @post(
        "/drop",
        operation_id="dropDeadLetters",
        status_code=200,
        summary="Drop dead letters for good",
        responses=problems(400, 401, 403, 422, 503),
    )
    async def drop(self, request: AnyRequest, data: JSONBody[DropInput]) -> DoneView:
        """Each goes into the audit, whole, before it leaves its queue. `seen` bounds it, as a replay."""
        edge = edge_of(request)
        return done_view(
            await _told(
                letters.drop(
                    edge.endpoint,
                    data.selection,
                    by=somebody(request).sender.id,
                    why=data.reason,
                    dry_run=data.dry_run,
                    seen=data.looked,
                )
            )
        )


def _console(edge: Edge, group: str) -> str | None:
    return f"{edge.console}/{BY_NAME[group].dead}" if edge.console is not None else None


async def _told(work: Awaitable[T]) -> T:
    """What it comes to, or the problem that says why it could not be."""
    try:
        return await work
    except UnknownGroup as error:
        raise invalid(group=str(error)) from error
    except NothingNamed as error:
        raise invalid(body=str(error)) from error
    except LettersBusy as error:
        raise Problem(503, "dead_letters_busy", str(error), {"Retry-After": "2"}) from error
    except LettersUnavailable as error:
        raise Problem(503, "broker_unavailable", str(error), {"Retry-After": "5"}) from error
