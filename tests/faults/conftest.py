"""Servers for the stands of one file at a time: they are killed and frozen, so nobody else may use them."""

from collections.abc import AsyncIterator

import pytest

from ops.servers import ServerMissing
from tests.conftest import missing
from tests.faults.stand import Servers, Shape, serving


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[Servers]:
    """One RabbitMQ and one MongoDB, shared by the stands of a file."""
    try:
        async with serving(Shape(nodes=1, members=1, edges=1, workers=1)) as started:
            yield started
    except ServerMissing as error:
        missing(error)


@pytest.fixture(scope="module")
async def three_members() -> AsyncIterator[Servers]:
    """A replica set of three, whose primary goes on alone for long enough to tell somebody of it."""
    try:
        async with serving(Shape(nodes=1, members=3, edges=1, workers=1, election_ms=8_000)) as started:
            yield started
    except ServerMissing as error:
        missing(error)
