"""The pytest plugin from its users' perspective: a project of theirs, on each database."""

import asyncio

import pytest

from bodhi.testing import Clock
from support.raw_database import RawDatabase

pytest_plugins = ["pytester"]

NOW = Clock().now_ms
THEIR_TESTS = '''
import asyncio
from aiohttp import ClientResponseError, web
import aiohttp_session
import pytest
from bodhi.server.app import create_app
from bodhi.session import CookiePolicy, DefaultSessionService, get_session, setup

pytestmark = pytest.mark.asyncio


async def show(request):
    return web.json_response(dict(await get_session(request)))


async def show_plainly(request):
    return web.json_response(dict(await aiohttp_session.get_session(request)))


async def count(request):
    session = await get_session(request)
    session["visits"] = session.get("visits", 0) + 1
    return web.json_response(session["visits"])


def app_on(service, **options):
    app = web.Application()
    setup(app, service, **options)
    app.router.add_get("/", show)
    app.router.add_post("/", count)
    return app


async def shown(client):
    return await (await client.get("/")).json()


@pytest.mark.parametrize("user_id", ["ann", "bob"])
async def test_each_test_begins_without_sessions(bodhi_service, bodhi_client, user_id):
    assert await bodhi_service.count_sessions() == 0
    await bodhi_client(app_on(bodhi_service), user_id)
    assert await bodhi_service.count_sessions() == 1


@pytest.mark.parametrize("options", [{}, {"secure": True}, {"name": "mine", "samesite": "Lax"}])
async def test_any_cookie(bodhi_database_url, bodhi_client, options):
    """The application has a service of its own."""
    service = DefaultSessionService.from_url(
        bodhi_database_url, keys=["k" * 32], cookie=CookiePolicy(**options), sweep_seconds=None
    )
    app = app_on(service)
    ann, visitor = await bodhi_client(app, 7, role="editor"), await bodhi_client(app)
    assert await shown(ann) == {"user_id": 7, "role": "editor"}
    assert await shown(visitor) == {}
    for visit in (1, 2):
        assert await (await visitor.post("/")).json() == visit
    assert await service.count_sessions_for_user("7") == 1


async def test_the_middleware_of_aiohttp_session(bodhi_service, bodhi_client):
    app = web.Application()
    aiohttp_session.setup(app, bodhi_service.storage)
    app.router.add_get("/", show_plainly)
    assert await shown(await bodhi_client(app, "ann", app="a key like any other")) == {
        "user_id": "ann", "app": "a key like any other"
    }


async def test_data_of_nobody(bodhi_service, bodhi_client):
    client = await bodhi_client(app_on(bodhi_service), cart=["tea"])
    assert await shown(client) == {"cart": ["tea"]}


@pytest.mark.parametrize("steps", [[{"hours": 23}] * 3, [{"milliseconds": 80_000_000}] * 4])
async def test_use_counts_at_once_however_far_the_clock_moves(bodhi_service, bodhi_client, bodhi_clock, steps):
    client = await bodhi_client(app_on(bodhi_service), "ann")
    for step in steps:
        bodhi_clock.advance(**step)
        assert (await shown(client))["user_id"] == "ann"
    bodhi_clock.advance(hours=25)
    assert await shown(client) == {}
    assert await bodhi_service.sweep() == 1


async def test_the_absolute_timeout(bodhi_service, bodhi_client, bodhi_clock):
    client = await bodhi_client(app_on(bodhi_service), "ann")
    for _ in range(15):
        assert (await shown(client))["user_id"] == "ann"
        bodhi_clock.advance(hours=23)
    assert await shown(client) == {}


async def test_roles_at_the_server(bodhi_settings, bodhi_log_in, bodhi_client):
    app = create_app(bodhi_settings)
    roles = {}
    for username, role in [("admin", None), ("nobody", None), ("user", "resource_power_user"), ("mia", None)]:
        client = await bodhi_log_in(app, username, role=role)
        user = await (await client.get("/bodhi/v1/user")).json()
        roles[user["username"]] = user.get("role")
    assert roles == {"admin": "resource_admin", "nobody": None, "user": "resource_power_user", "mia": None}
    assert (await (await (await bodhi_client(app)).get("/bodhi/v1/user")).json())["auth_status"] == "logged_out"


async def test_a_scripted_provider(bodhi_settings, bodhi_log_in, bodhi_provider):
    bodhi_provider.fail("code", status=400, body={"error": "invalid_grant"})
    with pytest.raises(AssertionError, match="auth_error|login_error"):
        await bodhi_log_in(create_app(bodhi_settings), "admin")


async def test_that_fails(bodhi_service, bodhi_client):
    await bodhi_client(app_on(bodhi_service), "ann")
    assert False
'''


@pytest.fixture
def their_project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project that loads the plugin, with pytest-asyncio in strict mode."""
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest('pytest_plugins = ["bodhi.testing.plugin"]')
    return pytester


def test_it_serves_all_kinds_of_applications(their_project, dialect, database_url):
    """And leaves nothing behind on PostgreSQL, also of a test that fails; what was there before stays."""
    their_project.makepyfile(THEIR_TESTS)
    if dialect == "postgres":
        asyncio.run(_run(database_url, "CREATE SCHEMA bodhi_test"))
        asyncio.run(_run(database_url, "CREATE TABLE bodhi_session (mine text)"))
    option = ["--bodhi-database", database_url] if dialect == "postgres" else []

    result = their_project.runpytest_subprocess("-q", "-W", "error", "-p", "no:schemathesis", *option)

    result.assert_outcomes(passed=12, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_that_fails*"])
    if dialect == "postgres":
        assert asyncio.run(_run(database_url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'bodhi%'")) == [
            {"nspname": "bodhi_test"}
        ]
        assert asyncio.run(_run(database_url, "SELECT mine FROM bodhi_session")) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:tests.db", "--bodhi-database: a postgres:// URL or sqlite::memory:*"),
        ("mysql://localhost/test", "--bodhi-database: *mysql*"),
        ("postgresql://me:secret@host@other/test", "--bodhi-database: *"),
    ],
)
def test_a_database_that_would_keep_data_is_refused(their_project, url, message):
    """As is one that is none; the password is shown nowhere."""
    result = their_project.runpytest_inprocess("--bodhi-database", url, "-p", "no:schemathesis")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    result.stderr.no_fnmatch_line("*secret*")


@pytest.mark.parametrize(
    ("arguments", "milliseconds"),
    [({}, 0), ({"milliseconds": 5}, 5), ({"hours": 25}, 90_000_000), ({"days": 1, "seconds": 0.5}, 86_400_500)],
)
def test_a_clock_advances_by_units_of_time(arguments, milliseconds):
    """And stands still otherwise."""
    clock = Clock()

    clock.advance(**arguments)

    assert clock() == clock() == NOW + milliseconds


async def _run(url: str, sql: str) -> list[dict[str, object]]:
    async with RawDatabase(url) as database:
        return await database.rows(sql)
