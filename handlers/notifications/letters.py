"""Writing a mail: RFC 5322, UTF-8, plain text with an HTML alternative.

The same event makes the same bytes, so that a duplicate can be recognised by its Message-ID and replaces its
file.
"""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import parseaddr
from hashlib import blake2b
from html import escape

from email_validator import EmailNotValidError, validate_email

from broker.messages import OrderConfirmed, OrderedLine, OrderPlaced, OrderShipped
from broker.messages.orders import OrderEvent
from handlers.notifications.amounts import amount_text
from handlers.notifications.texts import texts


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
    link = f"{shop_url.rstrip('/')}/orders/{event.order_id}"
    values = _values(event, link)
    name, address = parseaddr(sender)
    to = _recipient(event.email)
    mail = EmailMessage(policy=SMTP if to.username.isascii() else SMTPUTF8)
    mail["From"] = Address(name, addr_spec=address)
    mail["To"] = to
    mail["Subject"] = " ".join(text.subject.substitute(values).split())
    mail["Date"] = event.at
    mail["Message-ID"] = message_id(mail_id, address)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office need answer
    body = text.body.substitute(values)
    mail.set_content(body + "\n", cte="quoted-printable")
    mail.add_alternative(_html(mail["Subject"], body, link), subtype="html", cte="quoted-printable")
    mail.set_boundary(f"=_quire_{_digest(mail_id)}")
    return mail


def message_id(mail_id: str, sender_address: str) -> str:
    """The same for every copy of one mail, which receivers use to drop duplicates."""
    return f"<{_digest(mail_id)}@{sender_address.rpartition('@')[2]}>"


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
