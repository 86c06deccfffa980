"""Files of titles over HTTP. Staff only."""

import uuid
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any, Literal

import msgspec
import uuid_utils
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, QueryParameter
from pymongo.errors import DuplicateKeyError

from app.edge import Edge, edge_of
from app.feeds import BadAmount, Defaults, FeedError, currency_code, format_of, minor_units
from app.imports import (
    FILE_BYTES_MAX,
    Commands,
    FileTooLarge,
    NotAllSent,
    commands_of,
    counts,
    problems,
    received,
    send_all,
)
from app.problems import CODES, Code, Problem
from app.routes.answers import problems as problem_answers
from app.security.guards import require_staff
from app.security.principal import somebody
from broker.publish import MessageTooLarge, Unroutable
from documents.actors import utc_now
from documents.catalog import Import

CODES["bad_feed"] = Code(422, "The file cannot be read")

AnyRequest = Request[Any, Any, Any]
KEY_LENGTH_MAX = 255


class SkippedView(msgspec.Struct, frozen=True):
    """A row that was not taken: its line in the file (from 1), why, and how it begins."""

    line: int
    reason: str
    text: str


class RowProblem(msgspec.Struct, frozen=True):
    """A row that the catalogue refused, or that failed."""

    isbn: str
    code: str
    detail: str


class ImportView(msgspec.Struct, kw_only=True):
    """An import: `rows` are under way or through (`done`), `skipped_count` gave no command.

    `skipped` and `problems` name them; both are empty with `details=false`.
    """

    id: str
    status: Literal["running", "finished"]
    filename: str
    format: str
    sha256: str
    created_at: datetime
    rows: int
    done: int
    added: int
    changed: int
    unchanged: int
    rejected: int
    failed: int
    skipped_count: int
    skipped: list[SkippedView]
    problems: list[RowProblem]


FileName = Annotated[
    str, QueryParameter(name="filename", max_length=255, description="Of the file; for the report")
]
Format = Annotated[
    str | None,
    QueryParameter(
        name="format", max_length=20, description="csv or jsonl; else the file name's ending says"
    ),
]
Price = Annotated[
    str | None,
    QueryParameter(name="price", max_length=40, description="Of rows that name none, such as 12.99"),
]
Currency = Annotated[
    str | None, QueryParameter(name="currency", max_length=3, description="Of those prices; the shop's")
]
Copies = Annotated[
    int | None,
    QueryParameter(name="stock", ge=0, le=2**31 - 1, description="Copies of titles that were never counted"),
]
Details = Annotated[
    bool, QueryParameter(name="details", description="Whether to name skipped rows and problems")
]


class Imports(Controller):
    """A new run is a new import; the same Idempotency-Key is the same run."""

    path = "/imports"
    tags = ("imports",)
    guards = (require_staff,)
    opt = {"access": "staff"}

    @post(
        "/",
        operation_id="createImport",
        status_code=202,
        summary="Import a file of titles",
        request_max_body_size=FILE_BYTES_MAX,
        responses=problem_answers(400, 401, 403, 413, 422, 503),
    )
    async def create(
        self,
        request: AnyRequest,
        filename: FileName = "books.csv",
        format: Format = None,  # noqa: A002
        price: Price = None,
        currency: Currency = None,
        stock: Copies = None,
    ) -> Response[ImportView]:
        """The body is the file. 202 means that the broker has every row; what became of them, the import tells.

        The file is read as a whole first: one that cannot be is 422 `bad_feed`, and nothing of it was taken. Rows that
        cannot be taken are named in `skipped`.
        """
        edge = edge_of(request)
        options = _options(edge, filename, format, price, currency, stock)
        sender = somebody(request).sender
        import_id = _import_id(sender.id, request.headers.get("idempotency-key"))
        try:
            async with received(request.stream()) as file:
                fingerprint = _fingerprint(file.sha256, options)
                known = await _find(import_id)
                if known is not None:
                    return await _again(known, fingerprint)
                async with commands_of(file.stream, options.format, options.defaults) as commands:
                    await _send(edge, commands, import_id, sender)
                    document = Import(
                        id=import_id,
                        filename=filename,
                        sha256=file.sha256,
                        fingerprint=fingerprint,
                        format=options.format,
                        rows=commands.rows,
                        skipped_count=commands.skipped_count,
                        skipped=commands.skipped,
                        created_at=utc_now(),
                        by=sender.id,
                    )
        except FileTooLarge as error:
            raise Problem(413, "too_large", str(error)) from error
        except FeedError as error:
            raise Problem(422, "bad_feed", str(error), line=error.line or None) from error
        return await _keep(document)

    @get(
        "/{import_id:str}",
        operation_id="getImport",
        summary="How far an import is",
        responses=problem_answers(401, 403, 404),
    )
    async def read(
        self, request: AnyRequest, import_id: FromPath[str], details: Details = True
    ) -> Response[ImportView]:
        """Counted from the receipts of its commands."""
        document = await _find(import_id)
        if document is None:
            raise Problem(404, "not_found", f"There is no import {import_id[:64]}")
        view = await _view(document, details=details)
        if view.status == "finished":
            await edge_of(request).cache.drop_lists()
        return Response(view, headers={"Cache-Control": "no-store"})


class Options(msgspec.Struct, frozen=True):
    """What was asked of an import."""

    format: str
    defaults: Defaults


def _options(
    edge: Edge,
    filename: str,
    format: str | None,  # noqa: A002 - the contract's word
    price: str | None,
    currency: str | None,
    stock: int | None,
) -> Options:
    try:
        code = currency_code(currency) if currency else edge.terms.currency
        amount = minor_units(price, code) if price is not None else None
        return Options(format or format_of(filename), Defaults(code, amount, stock))
    except BadAmount as error:
        raise Problem(
            422, "invalid_input", f"price: {error}", errors=[{"field": "price", "message": str(error)}]
        ) from error
    except FeedError as error:
        raise Problem(422, "bad_feed", str(error)) from error


def _import_id(sender: str, key: str | None) -> str:
    if key is None:
        return uuid.UUID(int=int(uuid_utils.uuid7())).hex
    if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        raise Problem(
            400, "bad_idempotency_key", "An Idempotency-Key has 1 to 255 printable ASCII characters"
        )
    return blake2b(f"{sender}\n{key}".encode(), digest_size=16, person=b"quire-import-id").hexdigest()


def _fingerprint(sha256: str, options: Options) -> str:
    return blake2b(sha256.encode() + msgspec.json.encode(options), digest_size=16).hexdigest()


async def _send(edge: Edge, commands: Commands, import_id: str, sender: Any) -> None:
    try:
        await send_all(commands, import_id, sender, edge.publisher)
    except NotAllSent as error:
        raise Problem(
            503,
            "broker_unavailable",
            f"The broker took {error.confirmed} of {commands.rows} rows and then no more. Send the file again: with "
            "the same Idempotency-Key nothing is done twice",
            {"Retry-After": "5"},
            confirmed=error.confirmed,
            rows=commands.rows,
        ) from error
    except Unroutable as error:
        raise Problem(503, "broker_unavailable", str(error), {"Retry-After": "5"}) from error
    except MessageTooLarge as error:
        raise Problem(413, "too_large", str(error)) from error


async def _find(import_id: str) -> Import | None:
    raw = await Import.get_pymongo_collection().find_one({"_id": import_id})
    return Import.model_validate({**raw, "id": raw["_id"]}) if raw else None


async def _keep(document: Import) -> Response[ImportView]:
    raw = document.model_dump(exclude={"id", "revision_id"})
    try:
        await Import.get_pymongo_collection().insert_one({"_id": document.id, **raw})
    except DuplicateKeyError:
        # The same key, sent twice at the same time: the commands were the same as well.
        known = await _find(document.id)
        if known is not None:
            return await _again(known, document.fingerprint)
        raise
    return await _accepted(document)


async def _again(known: Import, fingerprint: str) -> Response[ImportView]:
    if known.fingerprint != fingerprint:
        raise Problem(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key was used before for another file or other options: use a new key",
        )
    return await _accepted(known)


async def _accepted(document: Import) -> Response[ImportView]:
    view = await _view(document, details=True)
    return Response(view, status_code=202, headers={"Location": f"/v1/imports/{document.id}"})


async def _view(document: Import, *, details: bool) -> ImportView:
    found = await counts(document.id)
    return ImportView(
        id=document.id,
        status="finished" if found.done >= document.rows else "running",
        filename=document.filename,
        format=document.format,
        sha256=document.sha256,
        created_at=document.created_at,
        rows=document.rows,
        done=found.done,
        added=found.added,
        changed=found.changed,
        unchanged=found.unchanged,
        rejected=found.rejected,
        failed=found.failed,
        skipped_count=document.skipped_count,
        skipped=[SkippedView(each.line, each.reason, each.text) for each in document.skipped]
        if details
        else [],
        problems=[RowProblem(**each) for each in await problems(document.id)] if details else [],
    )
