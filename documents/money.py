"""Money: integer minor units and an ISO 4217 currency. Never a float."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class Money(BaseModel):
    """An amount in minor units (cents for EUR, yen for JPY) of one ISO 4217 currency."""

    model_config = ConfigDict(frozen=True)

    amount: int
    currency: Currency
