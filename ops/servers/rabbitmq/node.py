"""Who a node is: its name, its password and its ports, kept in its folder."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ops.servers.ports import free_port


@dataclass(frozen=True)
class Node:
    """What a node keeps from run to run: who it is, and where it listens when those ports are still free."""

    name: str
    user: str
    password: str
    amqp_port: int
    management_port: int
    distribution_port: int
    epmd_port: int


@dataclass(frozen=True)
class Membership:
    """What the nodes of one cluster share: the founder's name, a running epmd, the cookie, and the user's password."""

    founder: str
    epmd_port: int
    cookie: str
    password: str


def node_of(folder: Path, name: str | None, membership: Membership | None) -> Node:
    """The node of this folder: the one it was before, on its old ports where they are free, or a new one."""
    path = folder / "node.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    ports = {
        each: free_port(known.get(each)) for each in ("amqp_port", "management_port", "distribution_port")
    }
    if membership is not None:
        password, epmd_port = membership.password, membership.epmd_port
    else:
        password = known.get("password", secrets.token_urlsafe(18))
        epmd_port = free_port(known.get("epmd_port"))
    node = Node(
        name=known.get("name", name or f"quire-{secrets.token_hex(4)}@localhost"),
        user="quire",
        password=password,
        epmd_port=epmd_port,
        **ports,
    )
    write_private(path, json.dumps(asdict(node), indent=2) + "\n")
    return node


def write_private(path: Path, text: str) -> None:
    """A file that its owner alone reads."""
    path.touch(mode=0o600)
    path.write_text(text)
