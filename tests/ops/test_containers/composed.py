"""compose.yaml and the Dockerfile as the tests read them: anchors merged, variables filled in."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CONTAINERS = ROOT / "ops" / "containers"
DOCKERFILE = CONTAINERS / "Dockerfile"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<rest>[^}]*))?\}")

Service = dict[str, Any]


def compose(values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """compose.yaml; with `values`, its variables filled in as Compose does. Raises KeyError for a required one."""
    text = (ROOT / "compose.yaml").read_text()
    if values is not None:
        text = VARIABLE.sub(lambda variable: _value(variable, values), text)
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def _value(variable: re.Match[str], values: Mapping[str, str]) -> str:
    name = variable["name"]
    return values.get(name) or (variable["rest"] if variable["how"] == ":-" else values[name])


def variables() -> dict[str, bool]:
    """Every variable of compose.yaml, and whether it must be set."""
    found = VARIABLE.finditer((ROOT / "compose.yaml").read_text())
    return {each["name"]: each["how"] != ":-" for each in found}


def is_ours(service: Service) -> bool:
    """Whether it runs our image."""
    return "build" in service


def instructions(text: str | None = None) -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, each as (keyword, rest), continued lines joined."""
    text = DOCKERFILE.read_text() if text is None else text
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(keyword, rest.strip()) for keyword, _, rest in pairs]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The Dockerfile's stages by their names, the last one's being empty, each with its instructions after FROM."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for keyword, rest in instructions():
        if keyword == "FROM":
            name = rest.partition(" AS ")[2]
            found[name] = []
        else:
            found[name].append((keyword, rest))
    return found


def image_environment() -> dict[str, str]:
    """What the final stage sets with ENV."""
    words = [word for keyword, rest in stages()[""] if keyword == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)
