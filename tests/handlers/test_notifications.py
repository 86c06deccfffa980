"""Mail to shoppers: what it says, that it is sent once, and what a mail server's answers lead to."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from broker.groups import Transient
from broker.messages import OrderCancelled, OrderPlaced
from broker.messages.orders import OrderEvent
from broker.topology import BY_NAME
from documents.notifications import SENDING_LEASE, Notification, NotificationStatus, notification_id
from handlers.notifications import Bounced, FolderMailer, Mailer, MailRefused, notifications
from handlers.notifications.amounts import amount_text
from handlers.notifications.letters import BadAddress, letter
from handlers.notifications.texts import texts
from tests.handlers.desks import NOW, House, attempt, deliver
from tests.handlers.order_events import (
    CANCELLED,
    CONFIRMED,
    DELIVERED,
    LINES,
    ORDER,
    REFUNDED,
    SHIPPED,
    facts,
    placed,
)

SENDER = "Quire Books <orders@quire.example>"
SHOP = "https://quire.example/"
EVENTS: tuple[OrderEvent, ...] = (placed(), CONFIRMED, CANCELLED, SHIPPED, DELIVERED, REFUNDED)


def write(event: OrderEvent) -> EmailMessage:
    """The event's mail."""
    return letter(event, mail_id="m1", sender=SENDER, shop_url=SHOP)


def parts(mail: EmailMessage) -> tuple[str, str]:
    """Plain text and HTML, as a reader's program finds them."""
    parsed = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    plain, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


@dataclass
class Post:
    """A mailer that keeps what it is given, and fails as it is told."""

    taken: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def send(self, mail: EmailMessage, mail_id: str) -> None:
        """See `Mailer`."""
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(mail_id)


def handler(mailer: Mailer) -> Any:
    """The handler of every event."""
    return notifications(mailer, SHOP, sender=SENDER).handlers[OrderPlaced]


def the_notification(house: House, event: str = "OrderPlaced") -> Notification:
    """What is on record of the mail."""
    found = house.get(Notification, notification_id(ORDER, event))
    assert found is not None
    return found


def test_the_group_handles_exactly_what_its_queue_takes() -> None:
    """Every event that the topology binds to the queue has a handler and a text."""
    group = notifications(Post(), SHOP)
    assert set(group.handlers) == set(BY_NAME["notifications"].events)
    assert set(texts()) == {event.__name__ for event in group.handlers}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_mail_is_readable_as_text_and_as_html(event: OrderEvent) -> None:
    """Both parts name the order and link to it; nothing is left unfilled; any program can parse it."""
    mail = write(event)
    plain, html = parts(mail)
    assert ORDER in mail["Subject"]
    for part in (plain, html):
        assert ORDER in part
        assert "https://quire.example/orders/order-1" in part
        assert "$" not in part
    assert '<a href="https://quire.example/orders/order-1">' in html
    assert mail.defects == []
    assert all(len(line) <= 998 for line in mail.as_bytes().split(b"\r\n"))  # RFC 5322, 2.1.1


def test_a_mail_lists_what_was_bought() -> None:
    """One line a title with its price, and the total; HTML has them escaped."""
    plain, html = parts(write(placed()))
    assert "2 x The Time Machine: 22.00 EUR" in plain
    assert "1 x Emma & <Others>: 3.90 EUR" in plain
    assert "Emma &amp; &lt;Others&gt;" in html
    assert "25.90 EUR" in plain


def test_the_same_event_makes_the_same_bytes() -> None:
    """A duplicate can be recognised: Message-ID, date and boundary come from the event."""
    first, second = write(placed()), write(placed())
    assert first.as_bytes() == second.as_bytes()
    assert first["Message-ID"].endswith("@quire.example>")
    other = letter(placed(), mail_id="m2", sender=SENDER, shop_url=SHOP)
    assert other["Message-ID"] != first["Message-ID"]


def test_a_guests_mail_opens_the_order_and_an_accounts_does_not() -> None:
    """The token stands behind the #, in the text and in the link; who has an account signs in."""
    link = f"https://quire.example/orders/{ORDER}"
    for event in EVENTS:
        plain, html = parts(write(structs.replace(event, owner=None, guest_token="opens-it")))
        assert f"{link}#token=opens-it\r\n" in plain
        assert f'<a href="{link}#token=opens-it">' in html
        plain, html = parts(write(structs.replace(event, owner="u1", guest_token=None)))
        assert f"{link}\r\n" in plain
        assert f'<a href="{link}">' in html


def test_titles_in_any_script_arrive_as_they_are() -> None:
    """UTF-8 throughout, in 7-bit lines on the way."""
    titles = ("Преступление и наказание", "源氏物語", "Čapek’s R.U.R. 🤖")
    lines = tuple(
        type(LINES[0])(isbn="9786600000017", title=each, quantity=1, unit_price=1) for each in titles
    )
    mail = write(OrderPlaced(**facts("placed"), payment_token="tok_ok", lines=lines))
    plain, html = parts(mail)
    assert all(each in plain and each in html for each in titles)
    assert mail.as_bytes().isascii()


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org, eve@example.org",
        "",
        "ada",
        "@example.org",
        "ada@",
        "a b@c",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """Whatever got past the edge: no second recipient and no header comes in by the address."""
    with pytest.raises(BadAddress):
        write(placed(email=address))


@given(reason=st.text(), address=st.emails() | st.text())
def test_no_header_can_be_smuggled_in(reason: str, address: str) -> None:
    """Any text as address and reason: refused, or a mail with exactly our headers and one recipient."""
    event = OrderCancelled(**facts("cancelled", address), reason=reason)
    try:
        mail = write(event)
    except BadAddress:
        return
    parsed = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert sorted(parsed.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )
    assert len(parsed["To"].addresses) == 1


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (129900, "EUR", "1,299.00 EUR"),
        (5, "EUR", "0.05 EUR"),
        (0, "GBP", "0.00 GBP"),
        (-150, "USD", "-1.50 USD"),
        (1500, "JPY", "1,500 JPY"),
        (12345, "KWD", "12.345 KWD"),
        (1234567890123456789, "EUR", "12,345,678,901,234,567.89 EUR"),
    ],
)
def test_amounts_are_written_with_their_currency_s_digits(amount: int, currency: str, text: str) -> None:
    """Minor units become what people read, exactly, whatever the currency's number of digits."""
    assert amount_text(amount, currency) == text


async def test_each_state_is_mailed_once() -> None:
    """However often and under whatever id an event is told, its mail leaves once."""
    house, post = House(), Post()
    for number, event in enumerate((*EVENTS, *EVENTS)):
        await deliver(house, handler(post), event, f"m{number}")
    assert post.taken == [notification_id(ORDER, type(event).__name__) for event in EVENTS]
    assert the_notification(house).status is NotificationStatus.SENT
    assert the_notification(house).recipient == "ada@example.org"


async def test_a_mail_server_that_is_away_is_tried_again() -> None:
    """A failed attempt is on record, and the next one need not wait."""
    house, post = House(), Post(failures=[Transient("451 try later")])
    with pytest.raises(Transient):
        await deliver(house, handler(post), placed())
    assert the_notification(house).status is NotificationStatus.SENDING
    assert the_notification(house).reason == "451 try later"
    await deliver(house, handler(post), placed())
    assert the_notification(house).attempts == 2
    assert len(post.taken) == 1


async def test_a_recipient_who_is_refused_is_not_tried_again() -> None:
    """5xx: recorded as bounced with the server's words, and the message is done."""
    house, post = House(), Post(failures=[Bounced("550 no such user")])
    assert await deliver(house, handler(post), placed()) == "succeeded"
    assert the_notification(house).status is NotificationStatus.BOUNCED
    assert the_notification(house).reason == "550 no such user"
    await deliver(house, handler(post), placed(), "m2")
    assert post.taken == []


async def test_an_address_that_is_none_bounces() -> None:
    """It is nobody's bug and nobody's retry."""
    house, post = House(), Post()
    assert await deliver(house, handler(post), placed(email="nobody")) == "succeeded"
    assert the_notification(house).status is NotificationStatus.BOUNCED
    assert post.taken == []


async def test_a_server_that_refuses_us_is_for_a_person() -> None:
    """Our own credentials or address are wrong: a dead letter, and a replay sends the mail."""
    house, post = House(), Post(failures=[MailRefused("535 bad credentials")])
    with pytest.raises(MailRefused):
        await deliver(house, handler(post), placed())
    await deliver(house, handler(post), placed())
    assert len(post.taken) == 1


async def test_a_second_worker_keeps_off_while_a_mail_is_on_its_way() -> None:
    """Delivered twice at once: the second waits for the lease, and after a death it sends the mail."""
    house, post = House(), Post()
    first = attempt(house, handler(post), placed(), "m1")
    first.send(None)  # asks for the notification
    first.send(None)  # saves it
    first.send(None)  # sends, and is about to commit
    assert len(post.taken) == 1
    with pytest.raises(Transient):
        await deliver(house, handler(post), placed())
    first.close()  # dies before its commit
    house.later(SENDING_LEASE.total_seconds())
    await deliver(house, handler(post), placed())
    assert len(post.taken) == 2, "at least once: nobody knows whether the first one left"
    assert the_notification(house).status is NotificationStatus.SENT


async def test_a_folder_holds_each_mail_once(tmp_path: Path) -> None:
    """One .eml a mail, whole; the same mail again replaces it, and no unfinished file is left."""
    mailer = FolderMailer(tmp_path / "mail")
    for _ in range(2):
        await mailer.send(write(placed()), "order-1.OrderPlaced")
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == "order-1.OrderPlaced.eml"
    parsed = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert parsed["To"] == "ada@example.org"


@pytest.mark.parametrize("mail_id", ["../../etc/passwd", "a/b", "", ".hidden", "x" * 300, "nul\0"])
async def test_no_mail_leaves_its_folder(mail_id: str, tmp_path: Path) -> None:
    """Whatever a mail is called, its file is in the folder."""
    mailer = FolderMailer(tmp_path / "mail")
    await mailer.send(write(placed()), mail_id)
    (file,) = (tmp_path / "mail").iterdir()
    assert file == mailer.path(mail_id)
    assert [each.name for each in tmp_path.iterdir()] == ["mail"]


async def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """A full or missing disk is no reason to lose a mail."""
    (tmp_path / "mail").write_text("a file where the folder should be")
    with pytest.raises(Transient, match="m1"):
        await FolderMailer(tmp_path / "mail").send(write(placed()), "m1")


async def test_an_event_s_time_is_the_mail_s_date() -> None:
    """A mail that was late says when it happened."""
    parsed = message_from_bytes(write(placed()).as_bytes(), policy=policy.default)
    assert parsed["Date"].datetime == NOW
