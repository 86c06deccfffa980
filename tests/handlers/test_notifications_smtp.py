"""Mail over SMTP, to a real server on this machine that answers as it is told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from broker.groups import Transient
from handlers.notifications import Bounced, MailRefused, SmtpMailer
from handlers.notifications.letters import letter
from tests.handlers.order_events import placed


@dataclass
class PostOffice:
    """What the server answers at each step, and what it took."""

    port: int = 0
    mail: str | None = None
    rcpt: str | None = None
    data: str | None = None
    silent: bool = False
    taken: list[Envelope] = field(default_factory=list)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """MAIL FROM."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.mail or "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """RCPT TO."""
        if self.rcpt is None:
            envelope.rcpt_tos.append(address)
        return self.rcpt or "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """The mail itself."""
        if self.silent:
            await asyncio.sleep(60)
        if self.data is None:
            self.taken.append(envelope)
        return self.data or "250 OK"


def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    """One account."""
    good = isinstance(data, LoginPassword) and data.password == b"correct horse"
    return AuthResult(success=good, handled=False)


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    """A running server."""
    office = PostOffice()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            office,
            hostname="localhost",
            enable_SMTPUTF8=True,
            authenticator=login,
            auth_require_tls=False,
            loop=loop,
        ),
        "127.0.0.1",
        0,
    )
    office.port = server.sockets[0].getsockname()[1]
    yield office
    server.close()
    await server.wait_closed()


async def send(mailer: SmtpMailer, email: str = "ada@example.org") -> None:
    """One mail."""
    mail = letter(placed(email=email), mail_id="m1", sender="Quire <o@quire.example>", shop_url="http://shop")
    await mailer.send(mail, "m1")


async def test_a_mail_arrives(office: PostOffice) -> None:
    """Envelope and headers name the sender and the one recipient."""
    await send(SmtpMailer("127.0.0.1", office.port))
    (taken,) = office.taken
    assert taken.mail_from == "o@quire.example"
    assert taken.rcpt_tos == ["ada@example.org"]
    assert isinstance(taken.content, bytes)
    assert message_from_bytes(taken.content, policy=policy.default)["To"] == "ada@example.org"


async def test_an_address_beyond_ascii_arrives(office: PostOffice) -> None:
    """SMTPUTF8 (RFC 6531), where the server speaks it."""
    await send(SmtpMailer("127.0.0.1", office.port), "дарья@пример.испытание")
    assert office.taken[0].rcpt_tos == ["дарья@xn--e1afmkfd.xn--80akhbyknj4f"]


async def test_credentials_are_shown(office: PostOffice) -> None:
    """The right ones send, the wrong ones are for a person to mend."""
    await send(SmtpMailer("127.0.0.1", office.port, username="shop", password="correct horse"))
    assert len(office.taken) == 1
    with pytest.raises(MailRefused, match="535"):
        await send(SmtpMailer("127.0.0.1", office.port, username="shop", password="wrong"))


@pytest.mark.parametrize("step", ["rcpt", "data"])
async def test_5xx_for_the_recipient_bounces(step: str, office: PostOffice) -> None:
    """For good: the server's words are the reason."""
    setattr(office, step, "550 no such user")
    with pytest.raises(Bounced, match="550 no such user"):
        await send(SmtpMailer("127.0.0.1", office.port))


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_4xx_is_tried_again(step: str, office: PostOffice) -> None:
    """Greylisting and full disks pass."""
    setattr(office, step, "451 try again later")
    with pytest.raises(Transient, match="451"):
        await send(SmtpMailer("127.0.0.1", office.port))


async def test_5xx_for_our_own_address_is_for_a_person(office: PostOffice) -> None:
    """A sender that is refused is nothing that the shopper's mailbox did."""
    office.mail = "553 not your domain"
    with pytest.raises(MailRefused, match="553"):
        await send(SmtpMailer("127.0.0.1", office.port))


async def test_starttls_that_is_insisted_on_and_missing_is_no_delivery(office: PostOffice) -> None:
    """Nothing leaves in the clear where TLS is demanded."""
    with pytest.raises((Transient, MailRefused)):
        await send(SmtpMailer("127.0.0.1", office.port, start_tls=True))
    assert office.taken == []


async def test_a_silent_server_is_left_in_time(office: PostOffice) -> None:
    """No answer within the limit: tried again."""
    office.silent = True
    with pytest.raises(Transient):
        await send(SmtpMailer("127.0.0.1", office.port, timeout_s=0.3))


async def test_no_server_at_all_is_tried_again() -> None:
    """Connection refused passes, too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Transient, match=str(port)):
        await send(SmtpMailer("127.0.0.1", port))
