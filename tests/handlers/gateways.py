"""A gateway in memory that can be held before and after each of its effects."""

from collections.abc import Generator
from dataclasses import dataclass, field

from handlers.payments.gateway import Charge, ChargeStatus, GatewayDeclined
from tests.handlers.desks import Pause

C = ChargeStatus
CALL = "call"


class OnItsWay:
    """A request or an answer on its way: one suspension that a scheduler can tell from one at the database."""

    def __await__(self) -> Generator[str, None, None]:
        yield CALL


@dataclass
class Books:
    """A `Gateway` whose ledger is a list of entries a key, checked after every entry."""

    entries: dict[str, list[ChargeStatus]] = field(default_factory=dict)
    amounts: dict[str, tuple[int, str]] = field(default_factory=dict)
    declines: str | None = None
    way: type[OnItsWay] | type[Pause] = OnItsWay  # `Pause` where an event loop does the scheduling

    async def authorise(self, key: str, amount: int, currency: str, token: str) -> Charge:
        """See `Gateway`."""
        await self.way()
        if key not in self.entries:
            self.amounts[key] = (amount, currency)
            self._enter(key, C.DECLINED if self.declines else C.AUTHORIZED)
        await self.way()
        if self.entries[key][-1] is C.DECLINED:
            raise GatewayDeclined(key, self.declines or "declined")
        return self._charge(key)

    async def capture(self, key: str) -> Charge:
        """See `Gateway`."""
        return await self._move(key, C.AUTHORIZED, C.CAPTURED)

    async def refund(self, key: str) -> Charge:
        """See `Gateway`."""
        return await self._move(key, C.CAPTURED, C.REFUNDED)

    async def void(self, key: str) -> Charge:
        """See `Gateway`."""
        await self.way()
        if key not in self.entries:
            self._enter(key, C.VOIDED)
        await self.way()
        if self.entries[key][-1] is C.DECLINED:
            return self._charge(key)
        return await self._move(key, C.AUTHORIZED, C.VOIDED)

    async def find(self, key: str) -> Charge | None:
        """See `Gateway`."""
        await self.way()
        charge = self._charge(key) if key in self.entries else None
        await self.way()
        return charge

    def net(self, key: str) -> int:
        """What the shopper's account is short of, held or taken, in minor units."""
        entries = self.entries.get(key, [])
        return self.amounts[key][0] if entries and entries[-1] in (C.AUTHORIZED, C.CAPTURED) else 0

    async def _move(self, key: str, held: ChargeStatus, target: ChargeStatus) -> Charge:
        await self.way()
        if self.entries.get(key, [None])[-1] is held:
            self._enter(key, target)
        await self.way()
        if self.entries.get(key, [None])[-1] is not target:
            raise GatewayDeclined(key, f"not_{held.value}")
        return self._charge(key)

    def _enter(self, key: str, entry: ChargeStatus) -> None:
        self.entries.setdefault(key, []).append(entry)

    def _charge(self, key: str) -> Charge:
        amount, currency = self.amounts.get(key, (0, ""))
        return Charge(key, self.entries[key][-1], amount, currency, f"ch_{key}")
