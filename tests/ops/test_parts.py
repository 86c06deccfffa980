"""What a process is made of, from its settings."""

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
