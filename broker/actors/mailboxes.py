"""Mailboxes: what was delivered and waits, in the order of delivery, each actor's messages in its own.

Only a mailbox whose head is to be tried again later waits; all others go on.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from broker.delivery import Delivery
from broker.suspicion import is_suspect

Actor = tuple[str, str]

PARKED_MAX = (
    50  # half of a partition's prefetch: what one actor may hold back, so that others still get through
)


class Mailboxes:
    """What one commit loop has to do. Not for more than one event loop."""

    def __init__(self, parked_max: int = PARKED_MAX) -> None:
        self.parked_max = parked_max
        self._ready: deque[Delivery] = deque()
        self._waiting: dict[Actor, deque[Delivery]] = {}
        self._arrived = asyncio.Event()
        self._wanted = 1

    def __len__(self) -> int:
        return len(self._ready) + sum(len(box) for box in self._waiting.values())

    def __iter__(self) -> Iterator[Delivery]:
        """Everything that waits, in no order."""
        return chain(self._ready, *self._waiting.values())

    @property
    def ready(self) -> int:
        """How many deliveries can be taken at once."""
        return len(self._ready)

    def put(self, delivery: Delivery) -> None:
        """A delivery arrives; behind a mailbox that waits it waits too.

        One that holds more than `parked_max` has waited long enough: its head is tried a last time, now.
        """
        box = self._waiting.get(delivery.actor)
        if box is not None and box[0].gone:
            box = self._without_stale(delivery.actor)
        if box is None:
            self._ready.append(delivery)
            if len(self._ready) >= self._wanted:
                self._arrived.set()
            return
        box.append(delivery)
        if len(box) > self.parked_max:
            box[0].due = box[0].give_up_at = 0.0
            self._arrived.set()

    def postpone(self, head: Delivery, followers: Iterable[Delivery]) -> None:
        """Lets a mailbox wait until its head is due; `followers` are its messages taken in the same batch."""
        box = deque((head, *followers))
        box.extend(each for each in self._ready if each.actor == head.actor)
        self._ready = deque(each for each in self._ready if each.actor != head.actor)
        self._waiting[head.actor] = box
        self._arrived.set()  # whoever takes next has a new time to wait until

    def behind(self, delivery: Delivery) -> int:
        """How many messages of the same actor are ready behind one that was taken."""
        return sum(each.actor == delivery.actor for each in self._ready)

    async def take(self, most: int) -> list[Delivery]:
        """At least one and at most `most` deliveries, in order, as soon as there are any; a suspect comes alone."""
        await self.arrived()
        batch = [self._ready.popleft()]
        alone = is_suspect(batch[0])
        while self._ready and len(batch) < most and not (alone or is_suspect(self._ready[0])):
            batch.append(self._ready.popleft())
        return batch

    async def arrived(self) -> None:
        """Returns as soon as there is something to take."""
        while True:
            wait_s = self._wake()
            if self._ready:
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    async def gathered(self, many: int, within_s: float) -> None:
        """Returns once so many can be taken, or after `within_s`, or where a mailbox that waits has news."""
        self._wanted = many
        self._arrived.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._arrived.wait()
        except TimeoutError:
            return
        finally:
            self._wanted = 1

    def _wake(self) -> float | None:
        """Moves mailboxes whose head is due back to the front; returns seconds until the next one is, or None."""
        now = asyncio.get_running_loop().time()
        for actor in [actor for actor, box in self._waiting.items() if box[0].due <= now]:
            self._ready.extendleft(reversed(self._waiting.pop(actor)))
        if not self._waiting:
            return None
        return max(0.0, min(box[0].due for box in self._waiting.values()) - now)

    def _without_stale(self, actor: Actor) -> deque[Delivery] | None:
        """The mailbox without deliveries of a channel that is gone: the broker delivers them again, in order."""
        box = deque(each for each in self._waiting.pop(actor) if not each.gone)
        if not box:
            return None
        self._waiting[actor] = box
        return box
