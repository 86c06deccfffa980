"""What is stored, and the rules of its state: pure methods, no I/O of their own."""

from beanie import Document

from documents.accounts import RefreshToken, User
from documents.audit import AuditEntry
from documents.carts import Cart
from documents.catalog import Book, Import
from documents.notifications import Notification
from documents.operations import Receipt
from documents.orders import Order
from documents.outbox import OutboxRow
from documents.payments import Payment
from documents.shipments import Shipment
from documents.stock import Movement, Stock
from documents.suspects import Suspect

DOCUMENTS: tuple[type[Document], ...] = (
    User,
    RefreshToken,
    Book,
    Import,
    Stock,
    Movement,
    Cart,
    Order,
    Payment,
    Shipment,
    Notification,
    Receipt,
    OutboxRow,
    AuditEntry,
    Suspect,
)
