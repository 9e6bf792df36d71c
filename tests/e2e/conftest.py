"""A realm, bodhi as its client, and users with browsers."""

import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from e2e.browsing import Person
from e2e.external_app.notes import Notes, serve_notes
from e2e.running import Bodhi, Realm
from support.ports import free_port

PROJECTS = {"sqlite": "chromium", "postgres": "pg-chromium"}
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "e2e"
# Of the browser, where it is called something else.
CHROMIUM_VARIABLE = "BODHI_TEST_CHROMIUM"
# Nothing of its own reaches out, and root may start it.
# How long a page may take on a machine that is busy with something else.
_PATIENCE_MS = 20_000
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Site:
    """bodhi and its realm."""

    bodhi: Bodhi
    realm: Realm
    client_id: str

    @property
    def url(self) -> str:
        """The URL of bodhi, without a trailing slash."""
        return self.bodhi.url


@pytest.fixture
def project(dialect: str) -> str:
    """The name of the browser and database; a browser test runs once on each selected database."""
    return PROJECTS[dialect]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests; each user has a separate context."""
    program = os.environ.get(CHROMIUM_VARIABLE) or shutil.which("chromium")
    if program is None:
        pytest.fail("Chromium is not installed: apt-get install chromium", pytrace=False)
    expect.set_options(timeout=_PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
def realm(tmp_path: Path) -> Iterator[Realm]:
    """The realm, without sessions and registered clients."""
    with Realm(tmp_path) as realm:
        yield realm


@pytest.fixture
def databases(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of the two databases, which are one on PostgreSQL."""
    if dialect == "sqlite":
        names = {"BODHI_SESSION_DB_URL": "session", "BODHI_DATABASE_URL": "application"}
        return {name: f"sqlite:{tmp_path / file}.sqlite" for name, file in names.items()}
    url = request.getfixturevalue("postgres_url")
    return {"BODHI_SESSION_DB_URL": url, "BODHI_DATABASE_URL": url}


@pytest.fixture
def serve(realm: Realm, databases: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Bodhi]]:
    """Starts bodhi on *port* with the realm as identity provider."""
    started: list[Bodhi] = []

    def serve(port: int, **settings: str) -> Bodhi:
        provider = {"BODHI_AUTH_URL": realm.auth_url, "BODHI_AUTH_REALM": "bodhi", "BODHI_AUTH_LOGOUT": "true"}
        started.append(Bodhi(tmp_path, BODHI_PORT=str(port), **provider, **databases, **settings))
        return started[-1]

    yield serve
    for bodhi in started:
        bodhi.stop()
        # Written at DEBUG: nothing failed, and no token is in it (they are JWTs, which all begin alike).
        assert not re.search(r"Traceback|ERROR|\beyJ", bodhi.log), bodhi.log


@pytest.fixture
def site(realm: Realm, serve: Callable[..., Bodhi]) -> Iterator[Site]:
    """Bodhi on http://localhost and the realm on http://127.0.0.1, which are different sites to a browser."""
    port = free_port()
    client = realm.new_resource([f"http://localhost:{port}/ui/auth/callback"])
    bodhi = serve(port, BODHI_CLIENT_ID=client["client_id"], BODHI_CLIENT_SECRET=client["client_secret"])
    yield Site(bodhi, realm, client["client_id"])
    assert client["client_secret"] not in bodhi.log


@pytest_asyncio.fixture(loop_scope="session")
async def new_person(browser: Browser, project: str) -> AsyncIterator[Callable[..., Awaitable[Person]]]:
    """Creates users with separate cookies; errors in their browsers fail the test."""
    people: list[Person] = []

    async def new_person(url: str, **options: Any) -> Person:
        context = await browser.new_context(**{"viewport": {"width": 1100, "height": 760}, **options})
        context.set_default_timeout(_PATIENCE_MS)
        has_scripts = options.get("java_script_enabled", True)
        people.append(Person(context, url, SCREENSHOTS / project, has_scripts=has_scripts))
        return people[-1]

    yield new_person
    for person in people:
        await person.context.close()
    assert [] == [problem for person in people for problem in person.problems]


@pytest_asyncio.fixture(loop_scope="session")
async def person(new_person: Callable[..., Awaitable[Person]], site: Site) -> Person:
    """A user at bodhi without a login."""
    return await new_person(site.url)


@pytest_asyncio.fixture(loop_scope="session")
async def notes(site: Site) -> AsyncIterator[Notes]:
    """An external application."""
    port = free_port()
    description = "Keeps what you jot down."
    client = site.realm.new_app([f"http://127.0.0.1:{port}/callback"], name="Notes", description=description)
    async for notes in serve_notes(port, bodhi_url=site.url, issuer=site.realm.issuer, client=client):
        yield notes
