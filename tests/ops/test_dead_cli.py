"""`quire dead` against an edge, a broker and a worker that run."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from typer.testing import CliRunner, Result

from app.application import create_app
from broker import declare
from broker.connection import connect
from broker.embedded import EmbeddedServer
from broker.groups import Desk, Effects
from broker.messages import AddItem, Sender, SetItem
from broker.publish import Publisher
from broker.runtime import Runtime
from broker.topology import route
from documents.accounts import cart_of
from documents.carts import Cart
from documents.terms import Terms
from handlers.carts import CARTS
from ops.cli import app
from ops.cli.dead.telling import tell
from ops.database import prepare
from ops.instance import Instance, announced
from ops.serving import Server
from tests.app.edges import OPERATOR, make_edge
from tests.broker.house import ISBN, TIERS, envelope_of, until

WHO = Sender("user:1")
CART = cart_of("1")


@dataclass
class Stand:
    """A running Quire whose carts have a bug until it is mended."""

    folder: Path
    database: AsyncDatabase[dict[str, Any]]
    publisher: Publisher
    mended: bool = False

    async def quire(
        self, *words: str, answer: str | None = None, code: int = 0, columns: int = 200
    ) -> Result:
        """Runs one command beside the servers."""
        args = ["dead", *words, "--data", str(self.folder)]
        result = await asyncio.to_thread(
            CliRunner().invoke, app, args, input=answer, env={"COLUMNS": str(columns)}
        )
        assert result.exit_code == code, result.output
        return result

    async def json(self, *words: str) -> Any:
        """What one command says for machines."""
        return json.loads((await self.quire(*words, "--json")).stdout)

    async def fail(self, *names: str) -> None:
        """Sends commands that fail, and waits for their letters."""
        for name in names:
            await self.send(AddItem(cart_id=CART, isbn=ISBN, quantity=2), name, "failed")
        await until(self._letters_there, "the letters to stand there")

    async def _letters_there(self) -> bool:
        failed = await self.database.receipts.count_documents({"status": "failed"})
        dropped = await self.database.audit.count_documents({"deed": "dropped"})
        return bool((await self.json("ls"))["matched"] == failed - dropped)

    async def send(self, message: AddItem | SetItem, name: str, status: str) -> None:
        """Sends a command and waits for its outcome."""
        await self.publisher.publish(envelope_of(message, WHO, name), *route(message))
        await self.outcome(name, status)

    async def outcome(self, name: str, status: str) -> None:
        """Returns once the receipt says that."""

        async def says() -> Any:
            return await self.database.receipts.find_one({"_id": f"carts/{name}", "status": status})

        await until(says, f"{name} to be {status}")

    async def quantity(self) -> int:
        """Copies in the cart."""
        found = await self.database.carts.find_one({"_id": CART})
        return int(found["lines"][ISBN]["quantity"]) if found else 0

    def handle(self, cart: Cart, command: AddItem, desk: Desk) -> Effects:
        """The handler with the bug."""
        if not self.mended:
            raise RuntimeError(f"thirteen in {cart.id}")
        return CARTS.handlers[AddItem](cart, command, desk)


@asynccontextmanager
async def served(application: Any) -> AsyncIterator[str]:
    """An application on a free port."""
    server = Server(uvicorn.Config(application, port=0, log_config=None, lifespan="on"))
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started, "the server to listen")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
async def stand(mongo_client: AsyncMongoClient[dict[str, Any]], tmp_path: Path) -> AsyncIterator[Stand]:
    """Edge, embedded broker and worker, announced in a data folder."""
    database = mongo_client[f"test_{secrets.token_hex(6)}"]
    await prepare(database)
    price = {"amount": 1000, "currency": "EUR"}
    await database.books.insert_one({"_id": ISBN, "rev": 1, "title": "T", "for_sale": True, "price": price})
    broker = EmbeddedServer()
    await broker.start()
    connection = await connect(broker, name="topology")
    await declare.apply(connection, TIERS)
    await connection.close()
    publisher = Publisher(broker, name="test")
    await publisher.start()
    stand = Stand(tmp_path, database, publisher)
    buggy = replace(CARTS, handlers={**CARTS.handlers, AddItem: stand.handle})
    worker = Runtime(broker, database, [buggy], Terms(), tiers=TIERS)
    await worker.start()
    edge = make_edge(broker, publisher)
    async with served(create_app(edge)) as url:
        instance = Instance(url, OPERATOR, "", database.name, None, None, os.getpid())
        with announced(tmp_path, instance):
            yield stand
    edge.accounts.close()
    await worker.stop()
    await publisher.close()
    await broker.stop()
    await mongo_client.drop_database(database.name)


async def test_from_the_list_to_the_effect(stand: Stand) -> None:
    """`ls` names the cause, `show` the letter, a dry run says what would happen, and `replay` does it once."""
    assert "No dead letters." in (await stand.quire("ls")).stdout
    await stand.fail("m1", "m2")
    listed = await stand.json("ls", "--letters")
    cause = listed["causes"][0]
    assert (cause["count"], cause["reason"], len(listed["letters"])) == (2, "handler raised", 2)
    table = (await stand.quire("ls", "--letters")).stdout
    assert cause["id"] in table
    assert "RuntimeError: thirteen" in table
    shown = (await stand.quire("show", "m1")).stdout
    assert "What happened" in shown
    assert '"quantity": 2' in shown
    assert (await stand.json("show", cause["example"]))[0]["message_id"] == "m1"
    dry = (await stand.quire("replay", "--cause", cause["id"], "--dry-run")).stdout
    assert "2 letters meant, 2 would be replayed." in dry
    stand.mended = True
    refused = await stand.quire("replay", answer="n\n", code=1)
    assert "2 would be replayed" in refused.stdout
    assert (await stand.json("ls"))["matched"] == 2
    done = (await stand.quire("replay", answer="y\n")).stdout
    assert "2 replayed." in done
    await stand.outcome("m1", "succeeded")
    await stand.outcome("m2", "succeeded")
    assert await stand.quantity() == 4
    nothing = await stand.json("replay", "--yes")
    assert (nothing["matched"], nothing["dry_run"]) == (0, False)
    assert "0 letters meant, 0 replayed." in (await stand.quire("replay", "--yes")).stdout


async def test_what_fails_while_the_question_stands_is_left(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a cut-off far ahead nor an age that is reached meanwhile takes more than was asked about."""
    await stand.fail("m1")
    loop = asyncio.get_running_loop()

    def asked_while(name: str) -> None:
        def confirm(question: str, **_options: Any) -> bool:
            assert "1 letter?" in question
            asyncio.run_coroutine_threadsafe(stand.fail(name), loop).result()
            return True

        monkeypatch.setattr("ops.cli.dead.typer.confirm", confirm)

    asked_while("m2")
    far = await stand.quire("drop", "--group", "carts", "--before", "2099-01-01", "--reason", "a test")
    assert "1 letter meant, 1 dropped." in far.stdout
    asked_while("m3")
    stand.mended = False
    aged = await stand.quire("replay", "--older-than", "0s")
    assert "1 letter meant, 1 replayed." in aged.stdout


async def test_ids_are_whole_on_a_narrow_screen(stand: Stand) -> None:
    """At 80 columns what is listed can be given to show and drop, and to --cause."""
    await stand.fail("m" * 36)
    listed = await stand.json("ls", "--letters")
    letter, cause = listed["letters"][0]["id"], listed["causes"][0]["id"]
    dry = (await stand.quire("replay", "--dry-run", columns=80)).stdout
    assert letter in dry
    assert dry.count("m") >= 36
    table = (await stand.quire("ls", "--letters", columns=80)).stdout
    assert letter in table
    assert cause in table


async def test_what_stays_is_explained(stand: Stand) -> None:
    """A letter whose cart moved on stays, and the way to force it is said."""
    await stand.fail("late")
    await stand.send(SetItem(cart_id=CART, isbn=ISBN, quantity=5), "between", "succeeded")
    stand.mended = True
    said = (await stand.quire("replay", "late", "--yes")).stdout
    assert "1 superseded" in said
    assert "--force" in said
    assert "1 replayed." in (await stand.quire("replay", "late", "--yes", "--force")).stdout
    await stand.outcome("late", "succeeded")
    assert await stand.quantity() == 7


def test_what_stays_and_what_was_settled_is_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """By force superseded ones go, so only what was cut is said to stay; settled is not always processed."""
    done = {"matched": 4, "done": 3, "dry_run": False, "truncated": [], "letters": []}
    standings = {"superseded": 2, "cut": 1, "settled": 1}
    tell("replay", {**done, "standings": standings, "stays": {"cut": 1}})
    said = capsys.readouterr().out
    assert "4 letters meant, 3 replayed." in said
    assert "superseded" not in said
    assert "1 cut: " in said
    assert "or failed anew" in said


async def test_drop_asks_for_a_reason_and_keeps_it(stand: Stand) -> None:
    """Without --reason it is a usage error; with one the letter goes and the audit has both."""
    await stand.fail("m1", "m2")
    await stand.quire("drop", "m1", code=2)
    for ages in ((), ("--older-than", "0s"), ("--newer-than", "9d"), ("--before", "2099-01-01")):
        everything = await stand.quire("drop", *ages, "--reason", "all", "--yes", code=1)
        assert "nobody drops everything" in everything.output
    assert "1 dropped." in (await stand.quire("drop", "m1", "--reason", "a test", "--yes")).stdout
    entry = await stand.database.audit.find_one({"deed": "dropped"})
    assert entry is not None
    assert (entry["message_id"], entry["why"], entry["by"]) == ("m1", "a test", "user:operator")
    assert (await stand.json("ls", "--newer-than", "1h"))["matched"] == 1
    assert (await stand.json("ls", "--older-than", "1h"))["matched"] == 0
    assert (await stand.json("ls", "--before", "2020-01-01T00:00"))["matched"] == 0


async def test_mistakes_are_told_in_a_sentence(stand: Stand, tmp_path: Path) -> None:
    """No such letter, no such group, no age, no instance, nobody at that address."""
    assert "There is no dead letter nobody" in (await stand.quire("show", "nobody", code=1)).output
    for none in ("", " ", ".."):
        assert "is no id" in (await stand.quire("show", none, code=2)).output
        assert "is no id" in (await stand.quire("replay", none, code=2)).output
    assert "no group is called" in (await stand.quire("ls", "--group", "nobody", code=1)).output
    assert "is no age" in (await stand.quire("ls", "--older-than", "soon", code=2)).output
    assert "is no time" in (await stand.quire("ls", "--before", "soon", code=2)).output
    runner = CliRunner()
    nothing = await asyncio.to_thread(runner.invoke, app, ["dead", "ls", "--data", str(tmp_path / "none")])
    assert nothing.exit_code == 1
    assert "nothing runs on" in nothing.output
    nobody = await asyncio.to_thread(
        runner.invoke, app, ["dead", "ls", "--url", "http://127.0.0.1:1", "--token", "t"]
    )
    assert nobody.exit_code == 1
    assert "does not answer" in nobody.output
