"""Retry, as data: how long an actor's mailbox waits in place, and which tier an unordered message waits in."""

import random
from dataclasses import dataclass

from broker.topology import RETRY_TIERS, RetryTier

IN_PLACE_LIMIT_S = 30.0
IN_PLACE_FIRST_S = 0.05
IN_PLACE_MAX_S = 5.0


def in_place_delay(attempts: int) -> float:
    """Seconds before the next attempt in place: exponential with full jitter, so that mailboxes do not march in step.

    (AWS Architecture Blog, "Exponential Backoff and Jitter": full jitter does the least work in all.)
    """
    ceiling = min(IN_PLACE_MAX_S, IN_PLACE_FIRST_S * 2.0**attempts)
    return random.uniform(ceiling / 4, ceiling)


@dataclass(frozen=True, slots=True)
class Delayed:
    """The policy of an unordered group: the tiers in turn, the last one repeated, then the dead-letter queue."""

    attempts_max: int
    tiers: tuple[RetryTier, ...] = RETRY_TIERS

    def next(self, attempts: int) -> RetryTier | None:
        """The tier after that many failed attempts, or None when they are spent."""
        if attempts >= self.attempts_max:
            return None
        return self.tiers[min(attempts, len(self.tiers)) - 1]
