"""What is on record of a mail."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from documents.notifications import SENDING_LEASE, Notification
from handlers.notifications.mailers import TIMEOUT_S
from tests.documents.writing import written
from tests.handlers.offline import tie

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
async def documents() -> None:
    """Notifications can be made."""
    await tie(Notification)


def a_notification() -> Notification:
    """A mail that nobody has tried to send."""
    return Notification.about("o1", "OrderPlaced", "ada@example.org")


def test_a_lease_outlives_a_send() -> None:
    """A mailer gives up before another worker may begin."""
    assert SENDING_LEASE.total_seconds() > TIMEOUT_S


def test_an_attempt_is_leased_until_it_is_known_how_it_ended() -> None:
    """Leased while it is sent, free after a failure."""
    notification = a_notification()
    leased = [notification.is_leased(NOW)]
    notification.attempt(NOW)
    leased += [notification.is_leased(NOW), notification.is_leased(NOW + SENDING_LEASE)]
    notification.put_back("451")
    leased.append(notification.is_leased(NOW))
    assert leased == [False, True, False, False]
    assert not notification.settled


def test_a_mail_that_left_is_settled() -> None:
    """Sent, with what went wrong before forgotten."""
    notification = a_notification()
    notification.put_back("451")
    notification.attempt(NOW)
    notification.sent(NOW)
    assert notification.settled
    assert notification.reason is None


async def test_what_is_written_is_what_is_read(mongo_database: AsyncDatabase[dict[str, Any]]) -> None:
    """Insert, then an update guarded by the revision: the database has what the document has."""
    notification = a_notification()
    notification.attempt(NOW)
    collection = mongo_database["notifications"]
    await written(collection, notification.write())
    loaded = Notification.loaded(await collection.find_one({"_id": notification.id}) or {})
    assert loaded.stored() == notification.stored()
    loaded.bounce("550 no such user")
    assert await written(collection, loaded.write()) == 1
    assert (
        Notification.loaded(await collection.find_one({"_id": notification.id}) or {}).stored()
        == loaded.stored()
    )
