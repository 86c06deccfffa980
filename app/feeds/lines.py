"""A feed's bytes as lines of text, so that every complaint can name its line."""

from collections.abc import Iterator
from typing import BinaryIO

BOM = b"\xef\xbb\xbf"
LINE_BYTES_MAX = 1 << 20
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class FeedError(Exception):
    """The file as a whole cannot be read: nothing of it was taken. `line` counts from 1; 0: no line is to blame."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


def text_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines with their ends, from UTF-8 with or without a byte order mark. Raises `FeedError`."""
    number = 0
    while raw := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(raw) > LINE_BYTES_MAX:
            raise FeedError(number, f"it is longer than {LINE_BYTES_MAX} bytes: is this a text file?")
        if number == 1:
            if raw.startswith(UTF16_BOMS):
                raise FeedError(1, "the file is UTF-16: save it as UTF-8")
            raw = raw.removeprefix(BOM)
        if b"\0" in raw:
            raise FeedError(number, "it holds binary data: this is no text file")
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FeedError(
                number,
                f"byte {error.start + 1} ({raw[error.start]:#04x}) is not UTF-8: is it a text file, saved as UTF-8?",
            ) from error
