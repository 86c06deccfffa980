"""A message as the embedded broker holds it, and its properties in AMQP's own encoding."""

from dataclasses import dataclass

from pamqp import commands

from broker.embedded.errors import precondition_failed

Properties = commands.Basic.Properties


@dataclass(slots=True, eq=False)
class StoredMessage:
    """One message in one queue.

    `properties` stay encoded: what the publisher does to its headers afterwards reaches nobody, a backlog
    stays small, and what AMQP cannot carry is refused at once, as on the wire. `expires_at` is in seconds
    since the epoch. `returns` counts how often the message came back unacked. `recovered` came out of the
    journal at a start.
    """

    id: int
    exchange: str
    routing_key: str
    properties: bytes
    body: bytes
    persistent: bool = False
    expires_at: float | None = None
    returns: int = 0
    recovered: bool = False


def encode_properties(properties: Properties) -> bytes:
    """The bytes that the content header would carry. Raises TypeError for what AMQP has no type for."""
    return properties.marshal()


def decode_properties(encoded: bytes) -> Properties:
    """A fresh copy of the properties, headers included."""
    properties = Properties()
    # Fourteen properties fit in the first flag word (AMQP 0-9-1, section 4.2.6.1), so there is never a
    # second.
    properties.unmarshal(int.from_bytes(encoded[:2], "big"), encoded[2:])
    return properties


def lifetime_ms(properties: Properties) -> int | None:
    """The message's own expiration, if it has one. Raises RefusedError for what is not a number."""
    if not properties.expiration:
        return None
    try:
        return int(properties.expiration)
    except ValueError:
        raise precondition_failed(
            f"invalid expiration '{properties.expiration}': it is whole milliseconds"
        ) from None
