"""What all commands share: options, and errors that say what happened, to what, and what to do."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from ops.instance import NoInstance
from ops.settings import SettingMissing, Settings

P = ParamSpec("P")
R = TypeVar("R")

console = Console()
errors = Console(stderr=True)

DEFAULT_DATA = Path("data")
Data = Annotated[
    Path, typer.Option("--data", envvar="QUIRE_DATA", help="The data folder of the instance.", metavar="DIR")
]
Url = Annotated[
    str | None,
    typer.Option("--url", envvar="QUIRE_URL", help="A system elsewhere; QUIRE_TOKEN is its bearer token."),
]


def expected() -> tuple[type[Exception], ...]:
    """The errors that have a sentence of their own. Loaded when there is one: a command loads what it needs itself."""
    from broker.declare import TopologyDiffers
    from broker.runtime import Died
    from ops.servers import ServerError

    return (ServerError, SettingMissing, NoInstance, TopologyDiffers, Died, OSError)


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """The command, with expected errors as one plain sentence and exit code 1 instead of a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except expected() as error:
            errors.print(f"[bold red]quire:[/] {error}", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from error
        except ValidationError as error:
            for each in error.errors():
                where = "_".join(str(part) for part in each["loc"]).upper()
                errors.print(f"[bold red]quire:[/] QUIRE_{where}: {each['msg']}", highlight=False)
            raise typer.Exit(2) from error

    return run


def bearer_of(token: str | None) -> str:
    """The token for a system elsewhere. Raises `SettingMissing` where none was given."""
    if not token:
        raise SettingMissing(
            "--url needs a bearer token with the role staff: set QUIRE_TOKEN, or give --token"
        )
    return token


def settings_of(**changes: object) -> Settings:
    """The environment's settings with the command line's on top; None leaves one as it is."""
    return Settings(**{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
