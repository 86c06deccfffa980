"""Logs: one JSON object a line for machines, or coloured lines for people."""

import logging
import sys
from typing import TextIO, cast

import structlog

from broker.telemetry import HANDLED, ids_of


class Stderr:
    """Whatever stderr is at the moment: loggers are kept, and who called us may have put another in its place since."""

    def write(self, text: str) -> int:
        """Writes there."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Nothing is held back."""
        sys.stderr.flush()


STDERR = cast("TextIO", Stderr())


def name_message(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Names the message that is being handled, in whatever is logged meanwhile."""
    delivery = HANDLED.get()
    return event if delivery is None else {**ids_of(delivery), **event}


def configure(level: str = "info", form: str = "json") -> None:
    """Sets up structlog and the libraries' loggers; everything goes to stderr, so that stdout stays the commands'."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    logging.basicConfig(stream=STDERR, level=max(threshold, logging.WARNING), format="%(message)s")
    for noisy in ("aio_pika", "aiormq", "pymongo", "httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if form == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            name_message,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.ExceptionRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(STDERR),
        cache_logger_on_first_use=True,
    )
