"""Lists: search, filters, facets, orders and pages."""

from typing import Any

import pytest
from httpx import AsyncClient

from app.edge import Edge
from app.feeds import Row
from documents.catalog import Book
from tests.app.edges import problem
from tests.app.shelves import book, goodbooks, isbn, shelve

SHELF = (
    book(
        1,
        "Emma",
        "Jane Austen",
        year=1815,
        language="eng",
        format="paperback",
        price=900,
        ratings_count=50,
        subjects=[("FBC", "Classic fiction")],
    ),
    book(2, "Lady Susan", "Jane Austen", year=1871, language="eng", price=700, ratings_count=5),
    book(3, "L’Étranger", "Albert Camus", year=1942, language="fre", format="hardback", ratings_count=80),
    book(4, "The Hobbit", "J.R.R. Tolkien", year=1937, language="eng", price=1500, ratings_count=90),
    book(
        5, "The History of the Hobbit", "John D. Rateliff", "J. R. R. Tolkien", price=2500, ratings_count=99
    ),
    book(6, "Hobbits, an Introduction", "Jane Example", price=None, ratings_count=1),
    book(7, "Emma in Love", "Emma Tennant", year=-44, subjects=[("", "Sequels"), ("FBC", "Classic fiction")]),
)


async def ask(client: AsyncClient, **params: Any) -> dict[str, Any]:
    """A list."""
    answer = await client.get("/v1/books", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def found(client: AsyncClient, **params: Any) -> list[int]:
    """The numbers of the titles of a list, in its order."""
    items = (await ask(client, **params))["items"]
    numbers = {isbn(number): number for number in range(100)}
    return [numbers[each["isbn"]] for each in items]


@pytest.fixture(autouse=True)
async def shelf(client: AsyncClient) -> None:
    """A few titles; the first and the fourth are there to buy."""
    await shelve(*SHELF, available=[isbn(1), isbn(4)])


@pytest.mark.parametrize(
    ("q", "numbers"),
    [
        ("emma", [1, 7]),
        ("EMMA austen", [1]),
        ("austen emma", [1]),
        ("etranger", [3]),
        ("L'étranger", [3]),
        ("camus étr", [3]),
        ("hobbit", [5, 4, 6]),
        ("the hobbit", [4, 5]),
        ("hob", [6, 5, 4]),
        ("tolkien jrr", [5, 4]),
        ("J. R. R. Tolkien", [5, 4]),
        ("classic", [1, 7]),
        ("emma hobbit", []),
        ("!!!", []),
        ("mma", []),
        (isbn(3), [3]),
        ("0-00-000003-" + "?", []),
    ],
)
async def test_search(client: AsyncClient, q: str, numbers: list[int]) -> None:
    """All words must be there, the last one perhaps begun; the title itself first, then what is popular."""
    body = await ask(client, q=q)
    assert await found(client, q=q) == numbers
    assert body["total"] == len(numbers)


async def test_search_by_isbn(client: AsyncClient) -> None:
    """An ISBN in any form finds its title."""
    for form in (isbn(3), f"{isbn(3)[:3]}-{isbn(3)[3:]}", f"ISBN {isbn(3)}"):
        assert await found(client, q=form) == [3]


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"author": "Jane Austen"}, {1, 2}),
        ({"author": "jane"}, {1, 2, 6}),
        ({"author": "tolkien"}, {4, 5}),
        ({"subject": "FBC"}, {1, 7}),
        ({"subject": "classic fiction"}, {1, 7}),
        ({"subject": "sequels"}, {7}),
        ({"language": "en-US"}, {1, 2, 4}),
        ({"language": "fr"}, {3}),
        ({"language": "klingon"}, set()),
        ({"format": "Paperback"}, {1}),
        ({"price_min": 900, "price_max": 1500}, {1, 3, 4, 7}),
        ({"price_max": 700}, {2}),
        ({"available": True}, {1, 4}),
        ({"available": False}, {2, 3, 5, 6, 7}),
        ({"q": "", "author": " "}, {1, 2, 3, 4, 5, 6, 7}),
        ({"author": "jane", "language": "eng", "price_max": 800}, {2}),
    ],
)
async def test_filters(client: AsyncClient, filters: dict[str, Any], numbers: set[int]) -> None:
    """Each filter narrows the list, together they all do, and the total is exact."""
    assert set(await found(client, **filters)) == numbers
    assert (await ask(client, limit=1, **filters))["total"] == len(numbers)


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("title", [1, 7, 6, 2, 3, 5, 4]),
        ("-title", [4, 5, 3, 2, 6, 7, 1]),
        ("price", [2, 1, 3, 7, 4, 5, 6]),
        ("-price", [5, 4, 7, 3, 1, 2, 6]),
        ("year", [7, 1, 2, 4, 3, 5, 6]),
        ("-year", [3, 4, 2, 1, 7, 6, 5]),
        ("popularity", [5, 4, 3, 1, 2, 6, 7]),
        ("relevance", [5, 4, 3, 1, 2, 6, 7]),
    ],
)
async def test_orders(client: AsyncClient, sort: str, numbers: list[int]) -> None:
    """Titles without a price or a year come last in both directions; the ISBN breaks ties."""
    assert await found(client, sort=sort) == numbers


async def test_facets(client: AsyncClient) -> None:
    """Each value's count is the total of the list that it leaves; a filter does not narrow its own values."""
    facets = (await ask(client))["facets"]
    assert facets["language"] == [{"value": "eng", "count": 3}, {"value": "fre", "count": 1}]
    assert facets["subject"] == [
        {"value": "FBC", "count": 2, "name": "Classic fiction"},
        {"value": "Sequels", "count": 1, "name": "Sequels"},
    ]
    assert facets["available"] == [{"value": True, "count": 2}, {"value": False, "count": 5}]
    for name, values in facets.items():
        for value in values:
            assert (await ask(client, **{name: value["value"]}))["total"] == value["count"], (name, value)
    narrowed = (await ask(client, author="Jane Austen"))["facets"]
    assert narrowed["author"] == facets["author"]
    assert narrowed["language"] == [{"value": "eng", "count": 2}]


@pytest.mark.parametrize(
    "sort", ["relevance", "title", "-title", "price", "-price", "year", "-year", "newest", "popularity"]
)
@pytest.mark.parametrize("q", [None, "e", "the hob"])
async def test_pages(client: AsyncClient, sort: str, q: str | None) -> None:
    """Pages of one, put together, are the list: nothing twice, nothing left out, in every order."""
    given = {"sort": sort} | ({"q": q} if q else {})
    whole = [each["isbn"] for each in (await ask(client, **given))["items"]]
    paged: list[str] = []
    cursor = None
    while len(paged) <= len(whole):
        body = await ask(client, limit=1, **given, **({"cursor": cursor} if cursor else {}))
        paged += [each["isbn"] for each in body["items"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
    assert paged == whole


@pytest.mark.parametrize("params", [{"sort": "title"}, {"q": "hob"}])
async def test_pages_under_inserts(client: AsyncClient, edge: Edge, params: dict[str, str]) -> None:
    """What is added before the place where a reader is neither repeats nor hides what follows."""
    whole = [each["isbn"] for each in (await ask(client, **params))["items"]]
    first = await ask(client, limit=2, **params)
    await shelve(
        book(50, "A Hobbit", ratings_count=1000), book(51, "Aardvarks and Hobbits", ratings_count=999)
    )
    await edge.cache.drop_lists()
    rest = await ask(client, cursor=first["next_cursor"], **params)
    assert [each["isbn"] for each in rest["items"]] == whole[2:]
    assert rest["total"] == len(whole) + 2


@pytest.mark.parametrize(
    "cursor", ["x", "%%%", "bnVsbA", "W10", "é", "a" * 3000, "WyJ0aXRsZSIsIngiLFsxLDJdXQ"]
)
async def test_bad_cursor(client: AsyncClient, cursor: str) -> None:
    """A cursor that no page gave is 400 `bad_cursor`, and so is one of another list."""
    problem(await client.get("/v1/books", params={"cursor": cursor, "sort": "title"}), 400, "bad_cursor")
    good = (await ask(client, limit=1, sort="title"))["next_cursor"]
    for other in ({"sort": "price"}, {"sort": "title", "q": "emma"}):
        problem(await client.get("/v1/books", params={"cursor": good, **other}), 400, "bad_cursor")


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 101}, {"sort": "colour"}, {"price_min": -1}, {"q": "x" * 201}]
)
async def test_bad_input(client: AsyncClient, params: dict[str, Any]) -> None:
    """Input that can never work is 422 and names its field."""
    said = problem(await client.get("/v1/books", params=params), 422, "invalid_input")
    assert said["errors"][0]["field"] == next(iter(params))


@pytest.mark.parametrize(
    ("q", "first"),
    [
        ("hobb", "The Hobbit"),
        ("ÉTRAN", "L’Étranger"),
        ("aust", "Emma"),
        ("jrr t", "The History of the Hobbit"),
        ("e", "L’Étranger"),
    ],
)
async def test_suggest(client: AsyncClient, q: str, first: str) -> None:
    """What is typed is completed to titles and authors, whatever its case and accents."""
    items = (await client.get("/v1/books/suggest", params={"q": q})).json()["items"]
    assert items
    assert first in [each["text"] for each in items]
    if q == "aust":
        assert {"type": "author", "text": "Jane Austen"} in items


async def test_suggest_nothing(client: AsyncClient) -> None:
    """What fits nothing suggests nothing."""
    for q in ("zzz", "", "  ", "?"):
        assert (await client.get("/v1/books/suggest", params={"q": q})).json() == {"items": []}


async def test_subjects(client: AsyncClient) -> None:
    """Subjects carry their counts and the value to filter by."""
    assert (await client.get("/v1/subjects")).json()["items"] == [
        {"value": "FBC", "code": "FBC", "name": "Classic fiction", "count": 2},
        {"value": "Sequels", "code": "", "name": "Sequels", "count": 1},
    ]


async def test_real_books(client: AsyncClient, edge: Edge) -> None:
    """On the 10,000 real books: counts that a plain loop over the file gives as well, and every page walked."""
    rows = [row.command for row in goodbooks() if isinstance(row, Row)]
    await Book.get_pymongo_collection().delete_many({})
    await shelve(*rows)
    await edge.cache.drop_lists()
    everything = await ask(client)
    assert everything["total"] == len(rows) == 9277
    kings = [row for row in rows if "Stephen King" in [each.name for each in row.contributors]]
    assert (await ask(client, author="Stephen King"))["total"] == len(kings)
    assert (await ask(client, language="en"))["total"] == sum(row.language == "eng" for row in rows)
    assert (await ask(client, q="harry potter"))["items"][0]["title"].startswith("Harry Potter and the")
    for value in everything["facets"]["author"][:5]:
        assert (await ask(client, author=value["value"]))["total"] == value["count"]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        body = await ask(client, q="the", limit=100, **cursor)
        seen += [each["isbn"] for each in body["items"]]
        if body["next_cursor"] is None:
            break
        cursor = {"cursor": body["next_cursor"]}
    assert len(seen) == len(set(seen)) == body["total"]
