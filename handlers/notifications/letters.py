"""Writing a mail: RFC 5322, UTF-8, plain text with an HTML alternative.

The same event makes the same bytes, so that a duplicate can be recognised by its Message-ID and replaces its
file.
"""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import cache
from hashlib import blake2b
from html import escape

from email_validator import EmailNotValidError, validate_email

from broker.messages import OrderConfirmed, OrderedLine, OrderPlaced, OrderShipped
from broker.messages.orders import OrderEvent
from handlers.notifications.amounts import amount_text
from handlers.notifications.texts import texts

LINE_LENGTH_MAX = 78  # RFC 5322, 2.1.1


class Written(EmailPolicy):
    """Keeps headers as the text that we wrote, and encodes only what is long or not ASCII.

    The standard policies parse each header into a tree when it is set: 4 ms of processor time a mail, more than all
    the rest of an order. A line break is refused here, as they do.
    """

    def header_store_parse(self, name: str, value: str) -> tuple[str, str]:
        """Raises ValueError for a value that would begin another header."""
        if "\r" in value or "\n" in value:
            raise ValueError(f"the header {name} holds a line break")
        return name, value

    def header_max_count(self, name: str) -> None:
        """We write each header once; asking its parser how often it may stand costs more than writing it."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - the standard library's hook
        """The text as it was set."""
        return value

    def fold_binary(self, name: str, value: str) -> bytes:
        """A header that fits its line goes as it is; others are folded and encoded by the standard library."""
        line = f"{name}: {value}"
        if line.isascii() and len(line) <= LINE_LENGTH_MAX and "=?" not in line:
            return f"{line}\r\n".encode("ascii")
        return super().fold_binary(name, value)


ASCII = Written(linesep="\r\n", max_line_length=LINE_LENGTH_MAX)
INTERNATIONAL = Written(linesep="\r\n", max_line_length=LINE_LENGTH_MAX, utf8=True)  # RFC 6532


class BadAddress(ValueError):
    """The recipient cannot be written as a mail address."""


def letter(event: OrderEvent, *, mail_id: str, sender: str, shop_url: str) -> EmailMessage:
    """The mail that tells the shopper of an event.

    `mail_id` names the mail, `sender` is `Name <address>`. Raises `BadAddress` for a recipient that RFC 5322
    does not know; a line break in any header is refused by the standard library, so no header can be smuggled
    in.
    """
    event_type = type(event).__name__
    text = texts()[event_type]
    # A guest has nothing but the mail. A fragment goes to no server and into no log; the shop's page reads it.
    opening = f"#token={event.guest_token}" if event.guest_token is not None else ""
    link = f"{shop_url.rstrip('/')}/orders/{event.order_id}{opening}"
    values = _values(event, link)
    from_ = _sender(sender)
    to = _recipient(event.email)
    mail = EmailMessage(policy=ASCII if to.username.isascii() else INTERNATIONAL)
    subject = " ".join(text.subject.substitute(values).split())
    mail["From"] = str(from_)
    mail["To"] = str(to)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(event.at)
    mail["Message-ID"] = message_id(mail_id, from_.addr_spec)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office need answer
    body = text.body.substitute(values)
    mail.set_content(body + "\n", cte="quoted-printable")
    mail.add_alternative(_html(subject, body, link), subtype="html", cte="quoted-printable")
    mail.set_boundary(f"=_quire_{_digest(mail_id)[:16]}")  # with it, the header fits one line
    return mail


def message_id(mail_id: str, sender_address: str) -> str:
    """The same for every copy of one mail, which receivers use to drop duplicates."""
    return f"<{_digest(mail_id)}@{sender_address.rpartition('@')[2]}>"


@cache
def _sender(sender: str) -> Address:
    """Ours, parsed once."""
    name, address = parseaddr(sender)
    return Address(name, addr_spec=address)


def _recipient(email: str) -> Address:
    try:
        valid = validate_email(email, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise BadAddress(f"{email!r} is no mail address: {error}") from error
    return Address(username=valid.local_part, domain=valid.ascii_domain)


def _values(event: OrderEvent, link: str) -> dict[str, str]:
    values = {
        "order_id": event.order_id,
        "link": link,
        "total": amount_text(event.total, event.currency),
        "reason": event.reason or "as you asked",
    }
    if isinstance(event, OrderPlaced | OrderConfirmed):
        values["lines"] = "\n".join(_line(line, event.currency) for line in event.lines)
    if isinstance(event, OrderShipped):
        values |= {"carrier": event.carrier, "tracking_number": event.tracking_number}
    return {name: " ".join(value.split()) if name != "lines" else value for name, value in values.items()}


def _line(line: OrderedLine, currency: str) -> str:
    title = " ".join(line.title.split())
    return f"{line.quantity} x {title}: {amount_text(line.quantity * line.unit_price, currency)}"


def _html(subject: str, body: str, link: str) -> str:
    """The text's paragraphs, escaped; its link is one."""
    href = escape(link)
    paragraphs = "\n".join(
        f"<p>{escape(paragraph).replace(chr(10), '<br>' + chr(10))}</p>" for paragraph in body.split("\n\n")
    )
    linked = paragraphs.replace(href, f'<a href="{href}">{href}</a>')
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>{escape(subject)}</title></head>\n<body>\n{linked}\n</body>\n</html>\n"
    )


def _digest(mail_id: str) -> str:
    return blake2b(mail_id.encode(), digest_size=16).hexdigest()
