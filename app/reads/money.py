"""Money as the contract shows it."""

from typing import Annotated

import msgspec

AMOUNT_MAX = 2**53 - 1  # what JavaScript counts without loss


class Money(msgspec.Struct, frozen=True):
    """An amount in minor units (cents for EUR, yen for JPY) of one ISO 4217 currency."""

    amount: Annotated[int, msgspec.Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
