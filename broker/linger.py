"""When a batch waits a moment for company.

A transaction costs its worker and the database 5 to 8 ms of processor time however little it holds, so under load a few
milliseconds of waiting are repaid: with 64 shoppers on 2 busy cores, 350 add-to-carts a second with a wait of 10 ms
against 240 without (runs in turn, other work on the machine).
Alone, nobody waits: it only pays where the last batch already had company.
"""

LINGER_S = 0.008
COMPANY = 2  # a batch of so many says that others are near
ENOUGH = 32  # a batch of so many is worth its transaction at once


def linger_s(last_size: int, waiting: int) -> float:
    """Seconds to wait before `waiting` messages are taken, after a batch of `last_size`."""
    return LINGER_S if last_size >= COMPANY and waiting < ENOUGH else 0.0
