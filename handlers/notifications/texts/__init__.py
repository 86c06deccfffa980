"""What mails say: one TOML file a language, filled in with `string.Template`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """The templates of one mail."""

    subject: Template
    body: Template


@cache
def texts(language: str = DEFAULT_LANGUAGE) -> dict[str, Text]:
    """Every mail of a language, by event type. Raises `FileNotFoundError` for a language that has no file."""
    raw = tomllib.loads(files(__name__).joinpath(f"{language}.toml").read_text("utf-8"))
    return {
        event: Text(Template(each["subject"].strip()), Template(each["text"].strip()))
        for event, each in raw.items()
    }
