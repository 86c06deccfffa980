"""RabbitMQ's semantics in this process, behind aio-pika's own classes."""

from broker.embedded.journal import Entry, Journal, JournalError, MemoryJournal
from broker.embedded.mongo import MongoJournal
from broker.embedded.server import EmbeddedServer, QueueOverview

__all__ = [
    "EmbeddedServer",
    "Entry",
    "Journal",
    "JournalError",
    "MemoryJournal",
    "MongoJournal",
    "QueueOverview",
]
