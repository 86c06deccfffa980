"""Every invariant, by name; docs/check.md explains them in this order."""

from ops.check import carts, messages, money, orders, parcels, receipts, stock
from ops.check.findings import EachOrder, EachTitle, Invariant, Whole

CHECKS: tuple[Invariant, ...] = (
    EachTitle("stock-ledger", "a title's counts are the sums of its movements", stock.ledger_sums),
    EachTitle("stock-available", "available = on hand - reserved, none below zero", stock.never_oversold),
    EachTitle("stock-flag", "the catalogue says available where copies are", stock.catalogue_flag),
    Whole("movement-shape", "a movement does what its reason says", stock.movements_sound),
    Whole("movement-receipt", "stock moves with a message's receipt", stock.movement_has_receipt),
    EachOrder("movement-order", "stock moves for orders that exist", stock.movement_has_order),
    EachOrder(
        "order-stock", "open orders hold their lines, shipped ones sold them", stock.order_holds_its_lines
    ),
    Whole("order-key", "one order a key", orders.one_order_a_key),
    Whole("order-receipt", "an order has its PlaceOrder's receipt", orders.order_has_receipt),
    Whole("receipt-order", "a PlaceOrder that succeeded has its order", orders.receipt_has_order),
    EachOrder("order-history", "orders move by the table, rev by rev", orders.history_follows_moves),
    EachOrder("order-rev", "each revision of an order has its receipt", receipts.order_has_receipts),
    EachOrder("order-total", "the total is lines and shipping", orders.total_adds_up),
    EachOrder("order-due", "unpaid orders expire", orders.due_until_settled),
    EachOrder(
        "order-paid", "confirmed is authorised, shipped captured, for the total", money.paid_before_confirmed
    ),
    EachOrder("payment-begun", "a placed order is presented to the gateway", money.payment_begins),
    EachOrder("payment-intent", "what was intended of the money is carried out", money.intents_end),
    EachOrder("payment-order", "the order follows its payment", money.order_follows_payment),
    EachOrder("payment-history", "payments move by the table, rev by rev", money.payment_history),
    EachOrder("payment-receipt", "a payment changes with a message's receipt", receipts.payment_has_receipts),
    EachOrder("capture-shipped", "what was shipped is captured", money.capture_follows_shipping),
    EachOrder("capture-once", "one capture an order, of its total", money.captured_once),
    EachOrder("cancelled-closed", "a cancelled order's payment is closed", money.cancelled_is_closed),
    EachOrder("cancelled-net", "nothing is kept of a cancelled order", money.no_net_charge),
    Whole("refund-begun", "a refund that was asked for is begun", money.refund_follows),
    EachOrder("books-agree", "the gateway's books say what ours say", money.books_agree),
    EachOrder("charge-order", "nothing is charged without an order", money.charge_has_order),
    EachOrder("record-order", "payments, parcels and mails belong to orders", parcels.belongs_to_an_order),
    EachOrder("parcel-agrees", "order and parcel do not contradict each other", parcels.parcel_agrees),
    EachOrder("parcel-follows", "parcels follow orders, and orders parcels", parcels.parcel_follows),
    EachOrder("parcel-history", "parcels move by the table, rev by rev", parcels.parcel_history),
    EachOrder("parcel-receipt", "a parcel changes with a message's receipt", receipts.parcel_has_receipts),
    EachOrder("mail-left", "the shopper is told of every state", parcels.mail_leaves),
    EachOrder("mail-receipt", "a mail leaves with its event's receipt", receipts.mail_has_receipt),
    Whole("book-rev", "a title's rev is that of its last receipt", receipts.book_has_receipts),
    Whole("cart-rev", "a cart's rev is that of its last receipt", carts.rev_has_receipts),
    Whole("cart-merged", "a merged cart is empty and its receipt says where to", carts.merged_is_closed),
    Whole("merge-arrived", "the lines of a merged cart arrive", carts.merge_arrives),
    Whole("receipt-terminal", "every receipt is terminal", messages.receipts_end),
    Whole("outbox-empty", "what was to be sent is sent", messages.outbox_leaves),
    Whole("queue-empty", "work queues are worked off, nothing stays unacked", messages.queues_drain, True),
    Whole("letter-receipt", "dead letters are exactly what failed", messages.letters_explain, True),
)
