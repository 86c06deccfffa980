"""One violation an invariant: how it is planted, and the id that must be named.

Each breaks its promise and no other one, so that the test shows which check saw it.
"""

from tests.ops.test_check.violations import goods, messages, money, parcels
from tests.ops.test_check.violations.common import Plant

PLANTED: tuple[tuple[str, Plant], ...] = (
    ("stock-ledger", goods.a_copy_out_of_nowhere),
    ("stock-available", goods.more_available_than_there_is),
    ("stock-flag", goods.sold_out_by_the_catalogue),
    ("movement-shape", goods.a_count_that_reserves),
    ("movement-receipt", goods.a_movement_without_a_message),
    ("movement-order", goods.stock_of_no_order),
    ("order-stock", goods.stock_released_for_the_wrong_order),
    ("order-key", goods.two_orders_of_one_key),
    ("order-receipt", goods.an_order_that_nobody_placed),
    ("receipt-order", goods.an_order_that_vanished),
    ("order-history", goods.a_move_that_is_not_in_the_table),
    ("order-history", goods.a_change_that_left_no_history),
    ("order-total", goods.a_line_that_is_not_in_the_total),
    ("order-due", money.an_order_that_never_expires),
    ("order-due", money.an_order_that_outlives_its_time),
    ("order-paid", money.confirmed_for_less),
    ("order-paid", money.confirmed_without_a_payment),
    ("payment-begun", money.an_order_that_payments_never_heard_of),
    ("payment-intent", money.an_authorisation_that_never_ends),
    ("payment-order", money.an_authorisation_that_nobody_told),
    ("payment-history", money.a_payment_that_skips_the_authorisation),
    ("capture-shipped", money.a_parcel_that_nobody_paid_for),
    ("capture-once", money.captured_twice),
    ("capture-once", money.captured_too_much),
    ("cancelled-closed", money.cancelled_and_still_held),
    ("cancelled-net", money.cancelled_and_charged),
    ("refund-begun", money.a_refund_that_nobody_began),
    ("books-agree", money.a_charge_that_is_not_in_the_books),
    ("books-agree", money.a_charge_over_another_amount),
    ("charge-order", money.a_charge_without_an_order),
    ("record-order", parcels.a_parcel_without_an_order),
    ("parcel-agrees", parcels.a_parcel_with_something_else),
    ("parcel-agrees", parcels.a_shipped_order_in_the_house),
    ("parcel-follows", parcels.a_confirmed_order_that_nobody_packs),
    ("parcel-follows", parcels.a_cancelled_order_that_is_packed),
    ("parcel-history", parcels.a_parcel_that_left_twice),
    ("mail-left", parcels.a_mail_that_never_left),
    ("mail-left", parcels.a_mail_that_hangs),
    ("cart-rev", messages.a_cart_that_changed_by_itself),
    ("cart-rev", messages.a_cart_that_lost_a_change),
    ("cart-merged", messages.a_merged_cart_with_lines),
    ("cart-merged", messages.a_merge_into_another_cart),
    ("merge-arrived", messages.lines_that_never_arrived),
    ("receipt-terminal", messages.an_operation_that_never_ends),
    ("receipt-terminal", messages.lines_that_never_came_back),
    ("receipt-terminal", messages.an_operation_that_missed_its_end),
    ("outbox-empty", messages.a_message_that_is_never_sent),
    ("queue-empty", messages.a_queue_that_nobody_works_off),
    ("letter-receipt", messages.a_failure_without_a_letter),
    ("letter-receipt", messages.a_letter_without_a_failure),
)

__all__ = ["PLANTED", "Plant"]
