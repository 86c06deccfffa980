"""What tests of dead letters share: a bug that can be mended, and a look at what became of a message."""

from dataclasses import replace
from typing import Any

from broker.groups import Desk, Effects, OrderedGroup
from broker.letters import Result, Selection, replay
from broker.messages import AddItem
from documents.carts import Cart
from handlers.carts import CARTS
from tests.broker.house import ISBN, House, until

CARTS_ONLY = Selection(group="carts")
BY = "user:operator"


class Bug:
    """A handler with a bug that can be mended while the worker runs."""

    def __init__(self) -> None:
        self.mended = False
        self.calls = 0

    def group(self, kind: Any = AddItem) -> OrderedGroup:
        """The carts' group with the bug in it."""
        handler = CARTS.handlers[kind]

        def handle(cart: Cart, command: Any, desk: Desk) -> Effects:
            self.calls += 1
            if not self.mended:
                raise RuntimeError(f"thirteen in cart {cart.id}")
            return handler(cart, command, desk)

        return replace(CARTS, handlers={**CARTS.handlers, kind: handle})


async def again(house: House, selection: Selection = CARTS_ONLY, **options: Any) -> Result:
    """A replay of what stands there."""
    return await replay(house.endpoint, house.publisher, selection, by=BY, **options)


async def dead(house: House, count: int, group: str = "carts") -> None:
    """Returns once that many letters stand there."""

    async def there() -> bool:
        return await house.waiting(f"{group}.dead") == count

    await until(there, f"{count} letters in {group}.dead")


async def outcome(house: House, message_id: str, status: str, group: str = "carts") -> dict[str, Any]:
    """The receipt of a message once it says that."""

    async def says() -> Any:
        return await house.database.receipts.find_one({"_id": f"{group}/{message_id}", "status": status})

    found: dict[str, Any] = await until(says, f"{message_id} to be {status}")
    return found


async def quantity(house: House, cart_id: str) -> int:
    """Copies of the title in a cart; 0 where there is none."""
    found = await house.database.carts.find_one({"_id": cart_id})
    line = found["lines"].get(ISBN) if found else None
    return int(line["quantity"]) if line else 0


async def failed_after(house: House, message_id: str, seen: Any) -> bool:
    """Whether a message failed again since then."""
    found = await house.database.receipts.find_one({"_id": f"carts/{message_id}"})
    return bool(found and found["at"] > seen)
