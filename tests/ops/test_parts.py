"""What a process is made of, from its settings."""

import asyncio

import pytest
from structlog.testing import CapturingLogger

from ops import parts
from ops.settings import Settings


def test_the_console_of_a_broker() -> None:
    """The console that was named goes before the broker's own; its queues are the virtual host's; none is none."""
    named = Settings(console_url="https://console.test/rabbit/")
    own = "http://127.0.0.1:15672"
    url = "amqp://quire:secret@one.test:5672/quire,amqp://quire:secret@two.test:5672/quire"
    assert parts.console(named, url, own) == "https://console.test/rabbit/#/queues/quire"
    assert parts.console(Settings(), "amqp://guest@one.test/", own) == f"{own}/#/queues/%2F"
    assert parts.console(Settings(), "amqp://guest@one.test/%2Fshop", own) == f"{own}/#/queues/%2Fshop"
    assert parts.console(Settings(), url) is None
    assert parts.console(named, None) is None  # the embedded broker has no console


async def test_what_is_waited_for_is_told_whenever_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is away, goes away while it is asked, and then refuses: three lines."""
    monkeypatch.setattr(parts, "AGAIN_AFTER_S", 0)
    log = CapturingLogger()
    monkeypatch.setattr(parts, "log", log)
    errors = [OSError("away"), OSError("away"), asyncio.CancelledError(), ConnectionError("refused")]

    async def start() -> None:
        if errors:
            raise errors.pop(0)

    await asyncio.wait_for(parts.until_there("broker", start), 5)
    assert [call.kwargs["error"] for call in log.calls] == [
        "OSError('away')",
        "ConnectionBroke('the connection broke')",
        "ConnectionError('refused')",
    ]


async def test_waiting_can_be_ended() -> None:
    """By whoever started it."""

    async def start() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(parts.until_there("broker", start))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
