"""Where a running instance can be found: `DIR/instance.json`, mode 0600, as long as it runs."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "instance.json"
QUIRE = (sys.executable, "-m", "ops.cli")  # this installation's command line, for processes of its own


class NoInstance(Exception):
    """Nothing runs on this data folder, or its process is gone."""


@dataclass(frozen=True, slots=True)
class Instance:
    """What a command needs to talk to a running instance. `operator_token` is a bearer token with the staff role."""

    url: str
    operator_token: str
    mongodb_url: str
    database: str
    rabbitmq_url: str | None
    management_url: str | None
    pid: int


@contextmanager
def announced(folder: Path, instance: Instance) -> Iterator[None]:
    """Writes the file, atomically and readable by its owner alone, and takes it away at the end."""
    path = folder / FILE
    draft = folder / f".{FILE}.{os.getpid()}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump(asdict(instance), file, indent=2)
        file.write("\n")
    draft.replace(path)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def find(folder: Path) -> Instance:
    """The instance that runs on a data folder. Raises `NoInstance`."""
    path = folder / FILE
    try:
        instance = Instance(**json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise NoInstance(f"nothing runs on {folder}: start it with `quire up --data {folder}`") from error
    except (ValueError, TypeError) as error:
        raise NoInstance(f"{path} cannot be read ({error}): stop the instance and start it again") from error
    try:
        os.kill(instance.pid, 0)
    except ProcessLookupError as error:
        raise NoInstance(
            f"the instance of {folder} (process {instance.pid}) is gone: start it again"
        ) from error
    except PermissionError:
        pass  # somebody else's process: it is there
    return instance
