"""`Prefer: wait=N` (RFC 7240): how long a sender would wait for the outcome."""

import re
from collections.abc import Iterable

PREFERENCE = re.compile(r'\s*wait\s*=\s*(?:"(\d{1,9})"|(\d{1,9}))\s*(?:;.*)?', re.IGNORECASE)
NAME = re.compile(r"\s*wait\s*(=|;|$)", re.IGNORECASE)
SEPARATOR = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')  # not inside a quoted string


def wait_of(headers: Iterable[str], wait_s_max: int) -> int:
    """Seconds to wait, at most `wait_s_max`; 0 where nobody asks for it.

    The first `wait` wins (RFC 7240, section 2); one that is no number of seconds is ignored, as preferences are.
    """
    for header in headers:
        for preference in SEPARATOR.split(header):
            if NAME.match(preference):
                found = PREFERENCE.fullmatch(preference)
                return min(int(found[1] or found[2]), wait_s_max) if found else 0
    return 0


def applied(wait_s: int) -> dict[str, str]:
    """The header that says which preference was honoured."""
    return {"Preference-Applied": f"wait={wait_s}"} if wait_s else {}
