"""Documents without a database for every test of a handler."""

import pytest

from documents.notifications import Notification
from documents.orders import Order
from documents.payments import Payment
from documents.shipments import Shipment
from tests.handlers.offline import tie


@pytest.fixture(autouse=True)
async def documents() -> None:
    """The classes that these handlers make can be made."""
    await tie(Payment, Shipment, Notification, Order)
