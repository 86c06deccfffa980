"""When a batch waits a moment for company, and how many of those that wait it takes.

A transaction costs its worker and the database some milliseconds of processor time however little it holds, so under
load a few milliseconds of waiting are repaid. Alone, and while few come, nobody waits. What says that many come must
not be what the wait itself gathers: with 16 instead of 24, half of the top rate was enough for batches that waited to
go on waiting, and a cart's median was 24 ms at 1,200 a second, and 29 ms at 1,500, instead of 13 and 14 (64
connections, medians of three runs each in turn).

Not all of those that wait are taken, but half. Senders who wait for answers come in waves: a batch of all of them is
answered at once, asks again at once, and edge and worker are busy in turn instead of together. Measured with 64
shoppers on 2 cores, runs in turn: 2,320 add-to-carts a second (median of six) against 2,015 (of six) with all of them.
"""

LINGER_S = 0.008
COMPANY = 24  # a batch of so many says that others are near
ENOUGH = 32  # a batch of so many is worth its transaction at once


def linger_s(last_size: int, waiting: int) -> float:
    """Seconds to wait for `ENOUGH` before `waiting` messages are taken, after a batch of `last_size`."""
    return LINGER_S if last_size >= COMPANY and waiting < ENOUGH else 0.0


def size_of(waiting: int, most: int) -> int:
    """How many of those that wait a batch takes at most; a backlog is taken `most` at a time."""
    return min(most, max(ENOUGH, waiting // 2))
