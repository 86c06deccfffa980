"""Dead letters over HTTP: seen, replayed and dropped by staff."""

from datetime import UTC, datetime, timedelta
from typing import Any

from httpx import AsyncClient

from app.application import Edge
from broker.dead import ATTEMPTS, ERROR, FIRST, LAST, ORIGIN, REASON
from broker.embedded.server import EmbeddedServer
from broker.letters.reading import reader
from broker.messages import SYSTEM, AddItem, Envelope, pack
from broker.publish import Publisher
from broker.topology import BY_NAME
from documents.actors import utc_now
from tests.app.conftest import Database
from tests.app.edges import ISBN, STAFF, ScriptedWorker, make_edge, problem, serving, until

URL = "/v1/admin/dead"


async def put(publisher: Publisher, name: str, *, minutes_ago: int = 0, group: str = "carts") -> Envelope:
    """A letter as the outbox sends it."""
    message = AddItem(cart_id=f"cart-{name}", isbn=ISBN, quantity=2)
    failed_at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    envelope = Envelope(
        id=name,
        type="AddItem",
        version=1,
        key=message.key,
        sender=SYSTEM,
        accepted_at=utc_now(),
        correlation_id="c1",
        data=pack(message),
    )
    headers: dict[str, Any] = {
        ORIGIN: "carts.1",
        REASON: "handler raised",
        ERROR: f"RuntimeError: {name} 4711",
        ATTEMPTS: 2,
        FIRST: failed_at.isoformat(),
        LAST: failed_at.isoformat(),
    }
    await publisher.publish_body(
        envelope.to_bytes(),
        "",
        f"{group}.dead",
        message_id=name,
        type="AddItem",
        correlation_id="c1",
        headers=headers,
    )
    return envelope


async def test_the_list_is_grouped_by_cause(client: AsyncClient, publisher: Publisher) -> None:
    """Counts, oldest and newest of each cause; letters one by one where they are asked for; selectors narrow it."""
    for minutes in (30, 20, 10):
        await put(publisher, "bug", minutes_ago=minutes)
    await put(publisher, "other", group="orders")
    body = (await client.get(URL, headers=STAFF)).json()
    assert {name: count for name, count in body["groups"].items() if count} == {"carts": 3, "orders": 1}
    assert (body["matched"], body["letters"], body["truncated"]) == (4, [], [])
    assert [(cause["group"], cause["error"], cause["count"]) for cause in body["causes"]] == [
        ("carts", "RuntimeError: bug …", 3),
        ("orders", "RuntimeError: other …", 1),
    ]
    asked: dict[str, str | int] = {
        "group": "carts",
        "older_than_s": 900,
        "limit": 10,
        "cause": "handler raised",
    }
    narrow = (await client.get(URL, params=asked, headers=STAFF)).json()
    assert (narrow["matched"], len(narrow["letters"])) == (2, 2)
    before = (await client.get(URL, params={"before": body["causes"][0]["oldest"]}, headers=STAFF)).json()
    assert before["matched"] == 1


async def test_a_letter_is_shown_in_full(client: AsyncClient, publisher: Publisher) -> None:
    """By its own id or its message's: headers, the message itself, its story, and how it stands."""
    await put(publisher, "m1")
    await put(publisher, "m1", group="orders")
    items = (await client.get(f"{URL}/m1", headers=STAFF)).json()["items"]
    assert [item["group"] for item in items] == ["carts", "orders"]
    letter = items[0]
    assert letter["body"]["data"] == {"cart_id": "cart-m1", "isbn": ISBN, "quantity": 2}
    assert (letter["origin"], letter["reason"], letter["standing"]) == ("carts.1", "handler raised", "ready")
    assert letter["headers"][ERROR] == "RuntimeError: m1 4711"
    assert len(letter["story"]) == 1
    assert "handler raised after 2 attempts in carts.1" in letter["story"][0]
    again = (await client.get(f"{URL}/{letter['id']}", headers=STAFF)).json()["items"]
    assert [item["id"] for item in again] == [letter["id"]]
    problem(await client.get(f"{URL}/nobody", headers=STAFF), 404, "not_found")


async def test_a_replay_reaches_the_worker(
    client: AsyncClient, publisher: Publisher, worker: ScriptedWorker, database: Database
) -> None:
    """The dry run only says; the replay sends the body as it was; the audit tells who and what."""
    envelope = await put(publisher, "m1")
    await put(publisher, "m2", group="orders")
    dry = (await client.post(f"{URL}/replay", json={"dry_run": True}, headers=STAFF)).json()
    assert (dry["matched"], dry["done"], dry["dry_run"], dry["standings"]) == (2, 2, True, {"ready": 2})
    assert worker.received == []
    body = {"group": "carts", "before": dry["as_of"]}
    done = (await client.post(f"{URL}/replay", json=body, headers=STAFF)).json()
    assert (done["done"], done["stopped"]) == (1, None)
    assert [letter["message_id"] for letter in done["letters"]] == ["m1"]
    await until(lambda: len(worker.received) == 1)
    assert worker.received[0] == envelope
    left = (await client.get(URL, headers=STAFF)).json()
    assert (left["groups"]["carts"], left["groups"]["orders"]) == (0, 1)
    entry = await database.audit.find_one({"_id": done["run"]})
    assert entry is not None
    assert (entry["by"], entry["selection"]["group"], entry["counts"]["replayed"]) == (
        "user:operator",
        "carts",
        1,
    )


async def test_a_list_bounds_what_follows_it(client: AsyncClient, publisher: Publisher) -> None:
    """What arrived after the list stays where it is, although it failed long before it."""
    await put(publisher, "bug", minutes_ago=30)
    seen = (await client.get(URL, headers=STAFF)).json()["seen"]
    assert seen["groups"]["carts"]["count"] == 1
    await put(publisher, "bug", minutes_ago=60)
    await put(publisher, "bug", minutes_ago=60, group="orders")
    body = {"reason": "a test", "type": "AddItem", "seen": seen}
    done = await client.post(f"{URL}/drop", json=body, headers=STAFF)
    assert (done.json()["matched"], done.json()["done"], done.json()["stopped"]) == (1, 1, None)
    left = (await client.get(URL, headers=STAFF)).json()["groups"]
    assert {group: count for group, count in left.items() if count} == {"carts": 1, "orders": 1}


async def test_a_drop_needs_a_selection_and_a_reason(
    client: AsyncClient, publisher: Publisher, database: Database
) -> None:
    """Neither everything at once, by whatever age, nor for nothing; what went stands in the audit."""
    await put(publisher, "m1")
    for times in ({}, {"older_than_s": 0}, {"newer_than_s": 999}, {"before": "2099-01-01T00:00:00Z"}):
        response = await client.post(f"{URL}/drop", json={"reason": "x", **times}, headers=STAFF)
        problem(response, 422, "invalid_input")
        assert "nobody drops everything at once" in response.json()["detail"]
    for reason in ({}, {"reason": ""}, {"reason": "  "}):
        response = await client.post(f"{URL}/drop", json={"id": "m1", **reason}, headers=STAFF)
        problem(response, 422, "invalid_input")
    dry = await client.post(
        f"{URL}/drop", json={"id": "m1", "reason": "test", "dry_run": True}, headers=STAFF
    )
    assert dry.json()["done"] == 1
    assert await database.audit.count_documents({}) == 0
    done = await client.post(f"{URL}/drop", json={"id": "m1", "reason": "a test"}, headers=STAFF)
    assert done.json()["done"] == 1
    entry = await database.audit.find_one({"message_id": "m1"})
    assert entry is not None
    assert (entry["deed"], entry["by"], entry["why"]) == ("dropped", "user:operator", "a test")
    assert (await client.get(URL, headers=STAFF)).json()["matched"] == 0


async def test_what_cannot_be_asked_is_said(client: AsyncClient, publisher: Publisher) -> None:
    """An unknown group, an unknown field or name, a time without a zone."""
    await put(publisher, "m1")
    unknown = await client.get(URL, params={"grup": "carts", "limit": 1}, headers=STAFF)
    problem(unknown, 422, "invalid_input")
    assert [each["field"] for each in unknown.json()["errors"]] == ["grup"]
    problem(await client.get(URL, params={"group": "nobody"}, headers=STAFF), 422, "invalid_input")
    problem(await client.post(f"{URL}/replay", json={"grup": "carts"}, headers=STAFF), 422, "invalid_input")
    problem(
        await client.get(URL, params={"before": "2026-11-02T12:00:00"}, headers=STAFF), 422, "invalid_input"
    )


async def test_a_run_does_what_its_dry_run_saw(
    client: AsyncClient, publisher: Publisher, worker: ScriptedWorker
) -> None:
    """`seen`, sent back as it came, leaves what arrived later, whatever time it tells; what is no `seen` is refused."""
    await put(publisher, "m1", minutes_ago=1)
    dry = (await client.post(f"{URL}/replay", json={"dry_run": True}, headers=STAFF)).json()
    assert {name: each["count"] for name, each in dry["seen"]["groups"].items()} == {"carts": 1}
    await put(publisher, "m2", minutes_ago=60)
    body = {"seen": dry["seen"], "before": "2099-01-01T00:00:00Z", "older_than_s": 0}
    dropped = {**body, "group": "carts", "type": "AddItem", "reason": "x", "dry_run": True}
    assert (await client.post(f"{URL}/drop", json=dropped, headers=STAFF)).json()["done"] == 1
    done = (await client.post(f"{URL}/replay", json=body, headers=STAFF)).json()
    assert ([letter["message_id"] for letter in done["letters"]], done["seen"]) == (["m1"], None)
    await until(lambda: len(worker.received) == 1)
    assert (await client.get(URL, headers=STAFF)).json()["matched"] == 1
    again = (await client.post(f"{URL}/replay", json=body, headers=STAFF)).json()
    assert again["done"] == 0
    assert "look again" in again["stopped"]
    wrong = await client.post(f"{URL}/replay", json={"seen": {"groups": {}}}, headers=STAFF)
    problem(wrong, 422, "invalid_input")


async def test_a_connection_that_breaks_during_a_replay_is_told(
    edge: Edge, broker: EmbeddedServer, publisher: Publisher, database: Database, monkeypatch: Any
) -> None:
    """503 `broker_unavailable` where nothing was done yet, and the audit says why; the letter stays."""
    await put(publisher, "m1")
    publish = publisher.publish_body

    async def and_break(*args: Any, **options: Any) -> None:
        await publish(*args, **options)
        for transport in tuple(broker.transports):
            if transport.name == "quire dead letters":
                await transport.drop("going down")

    monkeypatch.setattr(publisher, "publish_body", and_break)
    async with serving(edge) as client:
        broken = await client.post(f"{URL}/replay", json={"group": "carts"}, headers=STAFF)
        problem(broken, 503, "broker_unavailable")
        assert "broke" in broken.json()["detail"]
        [entry] = [raw async for raw in database.audit.find()]
        assert (entry["why"], entry["counts"]["replayed"]) == (broken.json()["detail"], 0)
        assert (await client.get(URL, headers=STAFF)).json()["matched"] == 1


async def test_busy_and_away_are_told_apart(
    edge: Edge, broker: EmbeddedServer, publisher: Publisher, monkeypatch: Any
) -> None:
    """Somebody else reads: 503 `dead_letters_busy`. No broker: 503 `broker_unavailable`. Both say when to try again."""
    monkeypatch.setattr("broker.letters.reading.LOCKED_WITHIN_S", 0.1)
    async with serving(edge) as client:
        async with reader(broker) as other:
            await other.lock(BY_NAME["carts"])
            busy = await client.get(URL, params={"group": "carts"}, headers=STAFF)
        problem(busy, 503, "dead_letters_busy")
        assert busy.headers["Retry-After"]
        edge.endpoint = "amqp://guest:guest@127.0.0.1:1/"
        away = await client.get(URL, headers=STAFF)
        problem(away, 503, "broker_unavailable")
        assert away.headers["Retry-After"]


async def test_letters_lead_to_the_console(
    broker: EmbeddedServer, publisher: Publisher, database: Database
) -> None:
    """Where there is a management console, causes and letters name the page of their queue; elsewhere nothing does."""
    await put(publisher, "m1")
    page = "http://console.test/#/queues/quire/carts.dead"
    for console, expected in (("http://console.test/#/queues/quire", page), (None, None)):
        async with serving(make_edge(broker, publisher, console=console)) as client:
            [cause] = (await client.get(URL, headers=STAFF)).json()["causes"]
            [letter] = (await client.get(f"{URL}/m1", headers=STAFF)).json()["items"]
            assert (cause["console"], letter["console"]) == (expected, expected)
