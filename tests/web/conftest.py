"""The shop in a real browser: Debian's Chromium on an instance as `quire up` runs it, with the built web/.

Without Chromium or Node these tests are skipped and say why; where `CI` is set they fail instead.
"""

import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from app.security.accounts import create_user
from documents.accounts import Role
from ops import up
from ops.bench.first_paint import CHROMIUM, CHROMIUM_ARGUMENTS
from ops.demo.shop import Shop
from ops.instance import Instance
from ops.servers import Mongod, ServerMissing
from ops.settings import Settings
from tests.conftest import missing
from tests.web.visit import Visit

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
PASSWORD = "a quiet afternoon"
# Answers that a journey brings about on purpose; Chromium reports each as an error of the console.
EXPECTED = ("Failed to load resource",)

NewVisit = Callable[..., Awaitable[Visit]]


@pytest.fixture(scope="session")
def node() -> dict[str, str]:
    """The environment of a command that needs Node or npm: the machine's own, or what Quire installed for itself."""
    found = subprocess.run(["ops/install/node.sh"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        missing(ServerMissing("the shop's tests need Node 20.19 or newer with npm, or its wheel"))
    return os.environ | {"PATH": f"{found.stdout.strip()}:{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def built_shop(node: dict[str, str]) -> Path:
    """web/dist, built if it is missing or older than what it is made from."""
    made = subprocess.run(["make", "--silent", "shop"], cwd=ROOT, env=node, check=False)
    if made.returncode != 0:
        missing(ServerMissing("the shop's tests need the built shop, and `make shop` fails"))
    return WEB / "dist"


@pytest.fixture(scope="session")
async def browser(built_shop: Path) -> AsyncIterator[Browser]:
    """One Chromium for all tests; each visit is a profile of its own."""
    if not Path(CHROMIUM).exists():
        missing(
            ServerMissing(
                f"the shop's tests need {CHROMIUM} (apt-get install --no-install-recommends chromium)"
            )
        )
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
def brokers() -> Iterator[list[up.Broker]]:
    """What the instance's parts connect to, once it runs: its broker is in this process and has no address."""
    opened: list[up.Broker] = []
    with pytest.MonkeyPatch.context() as patch:
        open_broker = up._broker

        async def opening(*given: Any) -> up.Broker:
            opened.append(await open_broker(*given))
            return opened[-1]

        patch.setattr(up, "_broker", opening)
        yield opened


@pytest.fixture(scope="session")
async def instance(
    mongod: Mongod, tmp_path_factory: pytest.TempPathFactory, built_shop: Path, brokers: list[up.Broker]
) -> AsyncIterator[Instance]:
    """An instance on the embedded broker with the demo catalogue, shared by all journeys."""
    name = f"web_{secrets.token_hex(6)}"
    settings = Settings(
        data=tmp_path_factory.mktemp("web"), port=0, mongodb_url=SecretStr(mongod.url), database=name
    )
    async with up.running(settings, rabbitmq=None, empty=False) as started:
        yield started
    async with AsyncMongoClient[dict[str, object]](mongod.url) as client:
        await client.drop_database(name)
        await client.drop_database(f"{name}_gateway")


@pytest.fixture
async def shop(instance: Instance) -> AsyncIterator[Shop]:
    """The instance as somebody without a credential sees it."""
    async with httpx.AsyncClient(base_url=instance.url, timeout=60) as http:
        yield Shop(http)


@pytest.fixture
def staff(shop: Shop, instance: Instance) -> Shop:
    """The instance as its operator sees it."""
    return shop.bearing(instance.operator_token)


@pytest.fixture(scope="session")
async def clerk(instance: Instance) -> str:
    """The address of an account with the role staff; its password is PASSWORD."""
    email = f"clerk-{secrets.token_hex(4)}@example.test"
    # The instance runs in this process: its database is the one that Beanie knows.
    await create_user(email, "Clara Clerk", PASSWORD, (Role.SHOPPER, Role.STAFF))
    return email


@pytest.fixture
async def visit(browser: Browser, instance: Instance) -> AsyncIterator[NewVisit]:
    """Opens the shop as somebody new; at the end nothing was blocked, thrown or reported in the console."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED):
            wrong.append(message.text)

    def watch(page: Page) -> None:
        page.on("console", heard)
        page.on("pageerror", lambda error: wrong.append(str(error)))

    async def open_shop(**options: object) -> Visit:
        settings = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, **options}
        context = await browser.new_context(base_url=instance.url, **settings)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        context.on("page", watch)
        contexts.append(context)
        return Visit(context, await context.new_page())

    yield open_shop
    for context in contexts:
        await context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: QUIRE_SCREENSHOTS, which CI keeps, or a temporary folder."""
    named = os.environ.get("QUIRE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
