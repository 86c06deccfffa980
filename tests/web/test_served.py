"""What the edge serves of the shop: heads for crawlers, a strict policy, caching, the sitemap; programs get the API."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from app.routes.shop import build
from ops.demo.shop import Shop
from ops.instance import Instance
from tests.web.conftest import WEB
from tests.web.visit import a_title

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


@pytest.fixture
async def http(instance: Instance) -> AsyncIterator[httpx.AsyncClient]:
    """The instance, as it is."""
    async with httpx.AsyncClient(base_url=instance.url) as client:
        yield client


def linked(page: str) -> dict[str, Any]:
    """The page's JSON-LD."""
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


async def test_book_for_crawlers(http: httpx.AsyncClient, shop: Shop, instance: Instance) -> None:
    """A book's page has title, canonical link, schema.org Book and Offer, and its text, before any script runs."""
    book = await a_title(shop, "frankenstein")
    page = (await http.get(f"/books/{book['isbn']}", headers=BROWSER)).text
    assert f"<title>{book['title']}, Mary Shelley · Quire</title>" in page
    assert f'<link rel="canonical" href="{instance.url}/books/{book["isbn"]}">' in page
    assert f"<h1>{book['title']}</h1>" in page
    data = linked(page)
    assert (data["@type"], data["isbn"], data["inLanguage"]) == ("Book", book["isbn"], "en")
    assert data["author"] == [{"@type": "Person", "name": "Mary Shelley"}]
    offer = data["offers"]
    assert offer["@type"] == "Offer"
    assert offer["price"] == f"{book['price']['amount'] / 100:.2f}"
    assert offer["priceCurrency"] == "EUR"
    assert offer["availability"] == "https://schema.org/InStock"


async def test_every_isbn_leads_to_one_page(http: httpx.AsyncClient, shop: Shop) -> None:
    """Hyphens in an ISBN lead to the one address of the book; an ISBN that nobody has is a 404 for browsers too."""
    isbn = (await a_title(shop, "frankenstein"))["isbn"]
    moved = await http.get(f"/books/{isbn[:3]}-{isbn[3:]}", headers=BROWSER)
    assert (moved.status_code, moved.headers["location"]) == (301, f"/books/{isbn}")
    for unknown in ("9780306406157", "no-isbn"):
        answer = await http.get(f"/books/{unknown}", headers=BROWSER)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")


async def test_text_cannot_end_its_element(http: httpx.AsyncClient, staff: Shop) -> None:
    """Whatever a title holds, it stays text: in the head, in the data and in the page."""
    isbn = "9780306406157"
    title = '</script><script>alert("1")</script>'
    record = {"title": title, "price": {"amount": 100, "currency": "EUR"}, "description": "<!--<script>"}
    await staff.command("PUT", f"/books/{isbn}", record)
    page = (await http.get(f"/books/{isbn}", headers=BROWSER)).text
    assert "<script>" not in page
    assert linked(page)["name"] == title


async def test_strict_policy(http: httpx.AsyncClient) -> None:
    """Pages come with a policy that lets nothing inline run, and nothing inline is in them."""
    answer = await http.get("/", headers=BROWSER)
    policy = dict(
        each.strip().partition(" ")[::2] for each in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "style=" not in answer.text
    assert not re.search(r"\son[a-z]+=", answer.text)
    for script in re.findall(r"<script([^>]*)>", answer.text):
        assert "src=" in script or "json" in script


async def test_caching(http: httpx.AsyncClient) -> None:
    """Files named after their content may be kept for ever, pages are asked for again and are a 304 then."""
    page = await http.get("/", headers=BROWSER)
    assert page.headers["cache-control"] == "public, no-cache"
    again = await http.get("/", headers={**BROWSER, "If-None-Match": page.headers["etag"]})
    assert again.status_code == 304
    names = re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text)
    assert {name.rpartition(".")[2] for name in names} >= {"js", "css", "woff2"}
    for name in names:
        file = await http.get(name)
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers.get("content-encoding") == (None if name.endswith("woff2") else "gzip")
    plain = await http.get(names[0], headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert (await http.get("/assets/none.js")).json()["code"] == "not_found"


async def test_pages_are_for_browsers(http: httpx.AsyncClient) -> None:
    """Only a GET that names text/html gets a page; unknown paths are problems for everybody else, and below /v1."""
    for accept in ("*/*", "application/json", "text/html;q=0"):
        answer = await http.get("/nowhere", headers={"Accept": accept})
        assert answer.json()["code"] == "not_found"
        assert "links" in (await http.get("/", headers={"Accept": accept})).json()
    page = await http.get("/nowhere", headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert (await http.get("/v1/nowhere", headers=BROWSER)).json()["code"] == "not_found"
    assert (await http.post("/nowhere", headers=BROWSER)).json()["code"] == "not_found"
    assert (await http.get("/cart", headers=BROWSER)).status_code == 200
    assert (await http.get("/orders/x", headers=BROWSER)).text.count("<title>Your order · Quire</title>") == 1
    assert 'content="noindex"' in (await http.get("/cart", headers=BROWSER)).text


async def test_sitemap(http: httpx.AsyncClient, shop: Shop, instance: Instance) -> None:
    """robots.txt names the sitemap, which leads to every book."""
    robots = (await http.get("/robots.txt")).text
    assert f"Sitemap: {instance.url}/sitemap.xml" in robots
    index = ET.fromstring((await http.get("/sitemap.xml")).text)  # noqa: S314 - our own answer
    found: list[str] = []
    for place in index.iter(f"{SITEMAP}loc"):
        part = ET.fromstring((await http.get(str(place.text))).text)  # noqa: S314
        found += [str(each.text) for each in part.iter(f"{SITEMAP}loc")]
    books = [each for each in found if "/books/" in each]
    assert len(books) == len(set(books)) >= (await shop.search(limit=1))["total"] - 1
    assert (await http.get(books[0].removeprefix(instance.url), headers=BROWSER)).status_code == 200
    assert (await http.get("/sitemaps/2.xml")).status_code == 404


async def test_without_a_build(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the shop was not built, the first page says how to get it, and the API is as ever."""
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    answer = await http.get("/", headers=BROWSER)
    assert "make shop" in answer.text
    assert (await http.get("/v1/books?limit=1")).status_code == 200
    assert "links" in (await http.get("/")).json()


async def test_client_fits_the_api(http: httpx.AsyncClient, node: dict[str, str], tmp_path: Path) -> None:
    """The API client in web/ is what the running app's OpenAPI document makes."""
    document = tmp_path / "openapi.json"
    document.write_bytes((await http.get("/docs/openapi.json")).content)
    checking = ["node", "scripts/client.mjs", str(document), "--check"]
    made = await asyncio.to_thread(
        subprocess.run, checking, cwd=WEB, env=node, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr


def test_lock_names_no_registry() -> None:
    """package-lock.json records hashes and no host that they came from."""
    packages = json.loads((WEB / "package-lock.json").read_text("utf-8"))["packages"]
    assert len(packages) > 50
    assert [name for name, each in packages.items() if "resolved" in each] == []
    assert [name for name, each in packages.items() if name and "integrity" not in each] == []


def test_logic(node: dict[str, str]) -> None:
    """Vitest: the cart's queue, commands and their keys, orders, event streams, money."""
    made = subprocess.run(["npm", "test"], cwd=WEB, env=node, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout[-4000:] + made.stderr[-2000:]
