"""Imports: a file of titles becomes one command a row, and the receipts tell what became of them."""

from app.imports.progress import Counts, counts, problems
from app.imports.reading import FILE_BYTES_MAX, Commands, FileTooLarge, Received, commands_of, received
from app.imports.sending import NotAllSent, message_id, numbered, send_all

__all__ = [
    "FILE_BYTES_MAX",
    "Commands",
    "Counts",
    "FileTooLarge",
    "NotAllSent",
    "Received",
    "commands_of",
    "counts",
    "message_id",
    "numbered",
    "problems",
    "received",
    "send_all",
]
