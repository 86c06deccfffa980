"""Ways for a mail to leave: over SMTP, or into a folder."""

import asyncio
import os
import re
from collections.abc import Iterable
from email.message import EmailMessage
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import aiosmtplib

from broker.groups import Transient
from broker.together import Together

TIMEOUT_S = 20.0  # a whole send; the notification's lease is longer
CONNECTIONS_MAX = 8
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")


class Bounced(Exception):
    """The mail cannot be delivered to this recipient, now or later."""


class MailRefused(Exception):
    """The server refuses us, not the recipient (our sender address, our credentials): a person has to look."""


class Mailer(Protocol):
    """Hands a mail over. `mail_id` is the same for every attempt at one mail."""

    async def send(self, mail: EmailMessage, mail_id: str) -> None:
        """Returns once it is taken over. Raises `Transient`, `Bounced`, or `MailRefused`."""
        ...


class SmtpMailer:
    """Mail over SMTP, a connection a mail, at most `CONNECTIONS_MAX` at a time.

    `start_tls`: None upgrades where the server offers it, True insists, False does not; `use_tls` speaks TLS
    from the first byte (port 465). `timeout_s` bounds a whole send.
    """

    def __init__(
        self,
        host: str,
        port: int = 25,
        *,
        username: str | None = None,
        password: str | None = None,
        use_tls: bool = False,
        start_tls: bool | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._use_tls = use_tls
        self._start_tls = start_tls
        self._timeout_s = timeout_s
        self._room = asyncio.Semaphore(CONNECTIONS_MAX)

    async def send(self, mail: EmailMessage, mail_id: str) -> None:
        """See `Mailer`. 4xx and silence are `Transient`; 5xx for the recipient or the content is `Bounced`."""
        async with self._room:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._send(mail)
            except aiosmtplib.SMTPRecipientsRefused as refused:
                raise _verdict(refused.recipients[0], Bounced, mail_id) from refused
            except aiosmtplib.SMTPDataError as refused:
                raise _verdict(refused, Bounced, mail_id) from refused
            except (
                aiosmtplib.SMTPNotSupported
            ) as error:  # an address beyond ASCII, and a server without SMTPUTF8
                raise Bounced(f"{self._host} cannot take mail {mail_id}: {error}") from error
            except aiosmtplib.SMTPResponseException as refused:
                raise _verdict(refused, MailRefused, mail_id) from refused
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                raise Transient(
                    f"mail {mail_id} was not handed over to {self._host}:{self._port}:"
                    f" {str(error) or 'no answer in time'}"
                ) from error

    async def _send(self, mail: EmailMessage) -> None:
        await aiosmtplib.send(
            mail,
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._use_tls,
            start_tls=None if self._use_tls else self._start_tls,
            timeout=self._timeout_s,
        )


class FolderMailer:
    """Mail into a folder, one .eml file each, whole or not at all; a mail that is sent again replaces its file.

    Mails that come while others are written go together, in one turn of one thread: handed to threads one by one, their
    system calls made the interpreter's lock change hands 170 times an order.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._write_together = Together(self._write_all)

    async def send(self, mail: EmailMessage, mail_id: str) -> None:
        """See `Mailer`; the file is on disk when it returns. A full or missing disk is `Transient`."""
        try:
            await self._write_together([(self.path(mail_id), mail.as_bytes())])
        except OSError as error:
            raise Transient(f"mail {mail_id} could not be written to {self._folder}: {error}") from error

    def path(self, mail_id: str) -> Path:
        """Where that mail is."""
        name = (
            mail_id
            if PLAIN_NAME.fullmatch(mail_id)
            else blake2b(mail_id.encode(), digest_size=16).hexdigest()
        )
        return self._folder / f"{name}.eml"

    async def _write_all(self, mails: list[tuple[Path, bytes]]) -> None:
        await asyncio.to_thread(_write_files, self._folder, mails)


def _write_files(folder: Path, files: Iterable[tuple[Path, bytes]]) -> None:
    """Writes each file under a name of its own, then renames it: content and names are on disk in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in files:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        with unfinished.open("wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        unfinished.replace(path)
    names = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(names)
    finally:
        os.close(names)


def _verdict(
    refused: aiosmtplib.SMTPResponseException, permanent: type[Exception], mail_id: str
) -> Exception:
    """What a reply code means (RFC 5321, 4.2.1): 4xx may pass, 5xx will not."""
    text = f"mail {mail_id}: {refused.code} {refused.message}"
    return permanent(text) if 500 <= refused.code < 600 else Transient(text)
