"""`quire user`: accounts."""

import sys
from typing import Annotated

import typer
from rich.prompt import Prompt

from ops.cli.common import DEFAULT_DATA, Data, console, errors, explained, settings_of

user = typer.Typer(no_args_is_help=True)


@user.command("create")
@explained
def create(
    email: Annotated[str, typer.Argument(help="The address that it signs in with.")],
    role: Annotated[str, typer.Option(help="shopper or staff.")] = "shopper",
    name: Annotated[str | None, typer.Option(help="The name to greet; else the part before the @.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password's line from stdin.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Makes an account, in the database of the running instance or of QUIRE_MONGODB_URL."""
    import asyncio

    from app.security.accounts import create_user
    from documents.accounts import EmailTaken, InvalidField, Role
    from ops.database import open_database
    from ops.instance import find
    from ops.settings import secret

    if role not in tuple(Role):
        raise typer.BadParameter(f"{role!r} is no role: there are {', '.join(Role)}", param_hint="--role")
    password = (
        sys.stdin.readline().rstrip("\r\n") if password_stdin else Prompt.ask("Password", password=True)
    )
    settings = settings_of(data=data)
    url = secret(settings.mongodb_url)
    database = settings.database
    if url is None:
        instance = find(settings.data)
        url, database = instance.mongodb_url, instance.database

    async def make(url: str) -> str:
        async with open_database(url, database, app="quire user"):
            roles = (Role.SHOPPER,) if role == Role.SHOPPER else (Role.SHOPPER, Role.STAFF)
            made = await create_user(email, name or email.partition("@")[0], password, roles)
            return made.id

    try:
        user_id = asyncio.run(make(url))
    except (EmailTaken, InvalidField) as error:
        errors.print(f"[bold red]quire:[/] {error}", highlight=False)
        raise typer.Exit(1) from error
    console.print(f"{email} is {user_id}, {role}", highlight=False)
