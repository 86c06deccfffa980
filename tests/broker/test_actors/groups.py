"""Groups for these tests."""

from dataclasses import replace
from typing import Any

from broker.messages import (
    AddItem,
)
from handlers.carts import CARTS


def carts_with(handler: Any, kind: Any = AddItem) -> Any:
    """The carts' group with one handler changed."""
    return replace(CARTS, handlers={**CARTS.handlers, kind: handler})
