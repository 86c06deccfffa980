"""Mailboxes: what was delivered and waits, in the order of delivery, each actor's messages in its own.

Only a mailbox whose head is to be tried again later waits; all others go on.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from broker.delivery import Delivery

Actor = tuple[str, str]


class Mailboxes:
    """What one commit loop has to do. Not for more than one event loop."""

    def __init__(self) -> None:
        self._ready: deque[Delivery] = deque()
        self._waiting: dict[Actor, deque[Delivery]] = {}
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready) + sum(len(box) for box in self._waiting.values())

    def put(self, delivery: Delivery) -> None:
        """A delivery arrives; behind a mailbox that waits it waits too."""
        box = self._waiting.get(delivery.actor)
        if box is None:
            self._ready.append(delivery)
            self._arrived.set()
        else:
            box.append(delivery)

    def postpone(self, head: Delivery, followers: Sequence[Delivery]) -> None:
        """Lets a mailbox wait until its head is due; `followers` are its messages taken in the same batch."""
        box = deque((head, *followers))
        box.extend(each for each in self._ready if each.actor == head.actor)
        self._ready = deque(each for each in self._ready if each.actor != head.actor)
        self._waiting[head.actor] = box
        self._arrived.set()  # whoever takes next has a new time to wait until

    def drop(self, stale: Sequence[Delivery]) -> None:
        """Forgets deliveries of a channel that is gone: the broker delivers them again."""
        gone = set(map(id, stale))
        self._ready = deque(each for each in self._ready if id(each) not in gone)
        for actor, box in list(self._waiting.items()):
            kept = deque(each for each in box if id(each) not in gone)
            if kept:
                self._waiting[actor] = kept
            else:
                del self._waiting[actor]

    async def take(self, most: int) -> list[Delivery]:
        """At least one and at most `most` deliveries, in order, as soon as there are any."""
        while True:
            wait_s = self._wake()
            if self._ready:
                return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def _wake(self) -> float | None:
        """Moves mailboxes whose head is due back to the front; returns seconds until the next one is, or None."""
        now = asyncio.get_running_loop().time()
        for actor in [actor for actor, box in self._waiting.items() if box[0].due <= now]:
            self._ready.extendleft(reversed(self._waiting.pop(actor)))
        if not self._waiting:
            return None
        return max(0.0, min(box[0].due for box in self._waiting.values()) - now)
