"""RabbitMQ's definitions, as it imports them at its start: users, the virtual host and the whole topology.

    python -m ops.containers.definitions FILE

Passwords come from RABBITMQ_PASSWORD (the parts of Quire) and RABBITMQ_CONSOLE_PASSWORD (people at the management
console, who see everything and change nothing). The file holds salted hashes only. Made from broker/topology.py on
every start, so that the two cannot drift; declaring the same topology again, as every part does, changes nothing.
"""

import base64
import json
import os
import sys
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from broker.topology import EXCHANGES, bindings, queues

VHOST = "quire"
USER, CONSOLE_USER = "quire", "console"
PASSWORDS = {USER: "RABBITMQ_PASSWORD", CONSOLE_USER: "RABBITMQ_CONSOLE_PASSWORD"}
SALT_BYTES = 4


def definitions(password: str, console_password: str) -> dict[str, Any]:
    """The definitions (rabbitmq.com/docs/definitions) for those two passwords; the same for the same ones."""
    return {
        "users": [
            _user(USER, password, tags=[]),
            _user(CONSOLE_USER, console_password, tags=["monitoring"]),
        ],
        "vhosts": [{"name": VHOST}],
        "permissions": [
            _permission(USER, configure=".*", write=".*", read=".*"),
            _permission(CONSOLE_USER, configure="^$", write="^$", read=".*"),
        ],
        "exchanges": [
            {
                **_place(name),
                "type": kind,
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
            for name, kind in EXCHANGES
        ],
        "queues": [
            {**_place(spec.name), "durable": True, "auto_delete": False, "arguments": spec.arguments}
            for spec in queues()
        ],
        "bindings": [
            {
                "vhost": VHOST,
                "source": each.exchange,
                "destination": each.queue,
                "destination_type": "queue",
                "routing_key": each.routing_key,
                "arguments": {},
            }
            for each in bindings()
        ],
    }


def password_hash(user: str, password: str) -> str:
    """RabbitMQ's salted SHA-256 (rabbitmq.com/docs/passwords).

    The salt derives from user and password, so that the same password gives the same file and
    `definitions.skip_if_unchanged` holds.
    """
    salt = blake2b(f"{user}:{password}".encode(), digest_size=SALT_BYTES, person=b"quire-salt").digest()
    return base64.b64encode(salt + sha256(salt + password.encode()).digest()).decode()


def write(path: Path, passwords: dict[str, str]) -> None:
    """Writes the file, whole or not at all. `passwords` by user name."""
    text = json.dumps(definitions(passwords[USER], passwords[CONSOLE_USER]), indent=1)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(f"{text}\n")
    draft.replace(path)


def main(arguments: list[str]) -> int:
    """Exit status 0 once the file is written, 2 where something is missing."""
    missing = [name for name in PASSWORDS.values() if not os.environ.get(name)]
    if len(arguments) != 1 or missing:
        sys.stderr.write(
            f"definitions: not set: {', '.join(missing)}. Run ops/containers/prepare.sh, which makes them\n"
            if missing
            else "usage: python -m ops.containers.definitions FILE\n"
        )
        return 2
    write(Path(arguments[0]), {user: os.environ[name] for user, name in PASSWORDS.items()})
    return 0


def _user(name: str, password: str, *, tags: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": password_hash(name, password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": tags,
        "limits": {},
    }


def _permission(user: str, **patterns: str) -> dict[str, str]:
    return {"user": user, "vhost": VHOST, **patterns}


def _place(name: str) -> dict[str, str]:
    return {"name": name, "vhost": VHOST}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
