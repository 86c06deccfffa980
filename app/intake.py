"""What a command is known by: taken from its request, before the command is made."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple, TypeAlias

import uuid_utils
from litestar import Request

from app.edge import correlation_id_of
from app.problems import Problem
from broker.messages import Sender
from broker.telemetry import TRACEPARENT

AnyRequest: TypeAlias = Request[Any, Any, Any]

KEY: Final = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Intake:
    """What identifies a request's command before the command is made.

    `message_id` is the hash of sender and Idempotency-Key, or a new UUIDv7 where no key came (hex both); `fingerprint`
    is a hash of method, path and body.
    """

    message_id: str
    fingerprint: str
    keyed: bool


class Asked(NamedTuple):
    """What a command's way in looks at of its request. `key` is its Idempotency-Key, `prefer` every Prefer header."""

    method: str
    path: str
    body: bytes
    correlation_id: str
    key: str | None = None
    prefer: Sequence[str] = ()
    traceparent: str | None = None


async def asked_of(request: AnyRequest) -> Asked:
    """From a request that Litestar took."""
    headers = request.headers
    return Asked(
        request.method,
        request.url.path,
        await request.body(),
        correlation_id_of(request),
        headers.get("idempotency-key"),
        headers.getall("prefer", []),
        traceparent_of(request.scope["state"], headers.get("traceparent")),
    )


def identify(asked: Asked, sender: Sender, *, key_required: bool = False) -> Intake:
    """The identity of the command that was asked for. Raises as `intake` does."""
    fingerprint = _hash(asked.method.encode(), asked.path.encode(), asked.body)
    if asked.key is None:
        if key_required:
            raise Problem(
                400,
                "idempotency_key_required",
                "Send an Idempotency-Key header, a new random one for each order, so that a retry orders once",
            )
        return Intake(uuid_utils.uuid7().hex, fingerprint, keyed=False)
    if not KEY.fullmatch(asked.key):
        raise Problem(
            400, "bad_idempotency_key", "An Idempotency-Key has 1 to 255 printable ASCII characters"
        )
    return Intake(_hash(sender.id.encode(), asked.key.encode()), fingerprint, keyed=True)


async def intake(request: AnyRequest, sender: Sender, *, key_required: bool = False) -> Intake:
    """The identity of the command that this request sends.

    Raises 400 `idempotency_key_required` or `bad_idempotency_key` (1 to 255 printable ASCII characters).
    """
    return identify(await asked_of(request), sender, key_required=key_required)


def traceparent_of(state: dict[str, Any], given: str | None) -> str | None:
    """What a command belongs to: the edge's own span, else what its sender named."""
    own: str | None = state.get("traceparent")
    if own is not None:
        return own
    return given if given is not None and TRACEPARENT.fullmatch(given) else None


def _hash(*parts: bytes) -> str:
    """16 bytes in hex; every part goes in with its length, so that no two lists of parts look alike."""
    digest = blake2b(digest_size=16, person=b"quire-command")
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()
