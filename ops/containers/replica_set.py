"""Founds MongoDB's replica set of one node, because transactions need a replica set, and waits for its primary.

    python -m ops.containers.replica_set NAME HOST:PORT

HOST:PORT is the address under which every other container reaches the node. Run again, it changes nothing.
"""

import sys
import time
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

PRIMARY_WITHIN_S = 60.0
POLL_S = 0.2
ALREADY_INITIATED = 23
NODE_NOT_FOUND, INVALID_CONFIG = 74, 93  # what a node says while it cannot reach itself by its name yet


class NoPrimary(Exception):
    """The node did not become the primary of that replica set in time; the text says what it said last."""


def found(name: str, host: str, *, within_s: float = PRIMARY_WITHIN_S) -> None:
    """Returns once the node at `host` is the primary of the replica set `name`. Raises `NoPrimary`."""
    deadline = time.monotonic() + within_s
    with MongoClient[dict[str, Any]](
        f"mongodb://{host}/?directConnection=true", serverSelectionTimeoutMS=1000
    ) as client:
        while True:
            said = _step(client, name, host)
            if said is None:
                return
            if time.monotonic() > deadline:
                raise NoPrimary(f"{host} is not the primary of {name} after {within_s:g} s: {said}")
            time.sleep(POLL_S)


def _step(client: MongoClient[dict[str, Any]], name: str, host: str) -> str | None:
    """One attempt: None once it is the primary, else what stands in the way. Raises for what will not pass."""
    try:
        hello = client.admin.command("hello")
        if hello.get("setName", name) != name:
            raise NoPrimary(f"{host} belongs to the replica set {hello['setName']}, not to {name}")
        if hello.get("isWritablePrimary"):
            return None
        if "setName" not in hello:
            client.admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": host}]})
    except OperationFailure as error:
        if error.code not in (ALREADY_INITIATED, NODE_NOT_FOUND, INVALID_CONFIG):
            raise
        return str(error)
    except PyMongoError as error:
        return str(error)
    return "no primary elected yet"


def main(arguments: list[str]) -> int:
    """Exit status 0 with a primary, 1 without, 2 for wrong arguments."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m ops.containers.replica_set NAME HOST:PORT\n")
        return 2
    try:
        found(*arguments)
    except (NoPrimary, PyMongoError) as error:
        sys.stderr.write(f"replica set: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
