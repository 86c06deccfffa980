"""The headers of a dead-lettered message, as RabbitMQ writes them.

Source: https://www.rabbitmq.com/docs/dlx#effects
"""

from datetime import UTC, datetime
from typing import Any, Literal

from broker.embedded.messages import StoredMessage, decode_properties, encode_properties

Reason = Literal["rejected", "expired", "maxlen", "delivery_limit"]


def dead_properties(message: StoredMessage, queue: str, reason: Reason) -> bytes:
    """The encoded properties under which `message`, dead in `queue`, travels on.

    One x-death entry a queue and reason, the latest first, counted; a per-message expiration moves into its
    entry, so that it does not strike again in the dead-letter queue.
    """
    properties = decode_properties(message.properties)
    headers: dict[str, Any] = dict(properties.headers or {})
    deaths = list(_deaths(headers))
    known = next((d for d in deaths if d.get("queue") == queue and d.get("reason") == reason), None)
    if known is None:
        death: dict[str, Any] = {
            "count": 1,
            "reason": reason,
            "queue": queue,
            "time": datetime.now(UTC).replace(microsecond=0),
            "exchange": message.exchange,
            "routing-keys": [message.routing_key],
        }
        if properties.expiration:
            death["original-expiration"] = properties.expiration
    else:
        deaths.remove(known)
        death = {**known, "count": int(known.get("count", 1)) + 1}
    headers["x-death"] = [death, *deaths]
    headers.setdefault("x-first-death-reason", reason)
    headers.setdefault("x-first-death-queue", queue)
    headers.setdefault("x-first-death-exchange", message.exchange)
    properties.headers = headers
    properties.expiration = None
    return encode_properties(properties)


def closes_cycle(properties: bytes, target: str) -> bool:
    """Whether `target` saw this message die and nobody rejected it since: RabbitMQ drops it then."""
    passed = []
    for death in _deaths(decode_properties(properties).headers or {}):
        passed.append(death.get("reason"))
        if death.get("queue") == target:
            return "rejected" not in passed
    return False


def _deaths(headers: dict[str, Any]) -> list[dict[str, Any]]:
    deaths = headers.get("x-death")
    return [d for d in deaths if isinstance(d, dict)] if isinstance(deaths, list) else []
