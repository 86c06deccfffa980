"""What a worker looks up for its metrics, where the broker does not answer."""

import asyncio

import pytest

from broker.embedded import EmbeddedServer
from ops.telemetry.looking import Looking


async def test_a_look_at_a_silent_broker_saw_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiormq cancels what was asked of it. It looks again later: what measures a worker must not end it."""
    looking = Looking(EmbeddedServer(), ["carts"], name="test")

    async def nothing() -> None:
        """Is asked of the database."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(looking, "_database", nothing)
    monkeypatch.setattr(looking, "_broker", cancelled)
    looking._counted = {"carts.0": (1, 1)}
    await looking.look()
    assert looking._counted == {}
