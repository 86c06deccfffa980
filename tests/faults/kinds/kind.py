"""What a kind of fault is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tests.faults.nemesis import Done, Fault, Nemesis

Harm: TypeAlias = "Callable[[Nemesis, Fault, Done, Random], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Kind:
    """A function that does harm, holds it and heals it. Two faults that touch the same are never done together.

    `long`: takes a minute and more, so it has no place in a short run. `alone_s`: nothing else happens during it and so
    long after it, so that how soon all is well again can be measured.
    """

    name: str
    harm: Harm
    touches: frozenset[str]
    long: bool = False
    alone_s: float = 0.0


def kind(name: str, harm: Harm, *touches: str, long: bool = False, alone_s: float = 0.0) -> Kind:
    """A line in a table of kinds."""
    return Kind(name, harm, frozenset(touches), long, alone_s)
