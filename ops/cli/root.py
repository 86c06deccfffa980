"""Every command, by name."""

import typer

from ops.cli.bench import bench
from ops.cli.common import explained
from ops.cli.dead import dead
from ops.cli.insight import check, trace
from ops.cli.processes import edge, up, worker
from ops.cli.shop import demo, import_
from ops.cli.system import doctor, topology
from ops.cli.users import user

app = typer.Typer(
    name="quire",
    help="An online bookstore: an HTTP edge, a message broker, actors and a database.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)

COMMANDS = (
    ("up", up),
    ("edge", edge),
    ("worker", worker),
    ("demo", demo),
    ("import", import_),
    ("check", check),
    ("trace", trace),
    ("doctor", doctor),
    ("bench", bench),
)

for name, command in COMMANDS:
    app.command(name)(explained(command))
app.add_typer(user, name="user", help="Accounts.")
app.add_typer(dead, name="dead", help="What could not be processed.")
app.add_typer(topology, name="topology", help="What stands on the broker.")
