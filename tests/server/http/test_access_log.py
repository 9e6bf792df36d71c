import logging

import pytest
from aiohttp import web

from bodhi.server.http.instrumentation import LOGGER, AccessLog


async def fails(_):
    """Raise an unexpected error."""
    raise ZeroDivisionError


@pytest.fixture
def lines(caplog):
    """Return the access log records so far."""
    caplog.set_level(logging.INFO, "bodhi.access")
    return lambda: [record for record in caplog.records if record.name == "bodhi.access"]


async def test_request_has_one_line_without_its_query(aiohttp_client, make_app, lines):
    """Codes and tokens come in queries."""
    client = await aiohttp_client(make_app())

    await client.get("/ping?code=secret", headers={"Referer": "http://localhost/?token=secret"})

    [record] = lines()
    assert record.message.startswith('127.0.0.1 "GET /ping" 200 ')
    fields = record.fields
    assert {"remote": "127.0.0.1", "method": "GET", "path": "/ping", "status": 200} == {
        name: fields[name] for name in ("remote", "method", "path", "status")
    }
    assert fields["bytes"] > 0
    assert fields["duration_ms"] >= 0
    assert "secret" not in repr(vars(record))


@pytest.mark.parametrize(
    ("path", "status", "level"),
    [("/health", 200, "DEBUG"), ("/health?a=b", 200, "DEBUG"), ("/health", 503, "INFO"), ("/healthy", 200, "INFO")],
)
async def test_only_health_checks_that_fail_are_in_the_log(aiohttp_client, caplog, path, status, level):
    """Proxies ask every second, each of them; a node that is not healthy is worth a line."""

    async def answer(_):
        return web.Response(status=status)

    app = web.Application(handler_args={"access_log_class": AccessLog, "access_log": LOGGER})
    app.router.add_get("/{name}", answer)
    caplog.set_level("DEBUG", "bodhi.access")
    client = await aiohttp_client(app)

    await client.get(path)

    assert [(level, status)] == [(record.levelname, record.fields["status"]) for record in caplog.records]


@pytest.mark.parametrize(("path", "status"), [("/fails", 500), ("/nowhere", 404)])
async def test_errors_have_an_access_log_line(aiohttp_client, make_app, lines, path, status):
    """With the status that the client saw."""
    client = await aiohttp_client(make_app(web.get("/fails", fails)))

    await client.get(path)

    assert [status] == [record.fields["status"] for record in lines()]


async def test_path_is_logged_percent_encoded(aiohttp_client, make_app, lines):
    """A line break in it makes no second line."""
    client = await aiohttp_client(make_app())

    await client.get("/a%0ab%1b%5b31m")

    assert ["/a%0Ab%1B%5B31m"] == [record.fields["path"] for record in lines()]


async def test_a_long_path_is_cut(aiohttp_client, make_app, lines):
    """Kilobytes of it, at each request of anybody, would fill the disk; what was cut is said."""
    client = await aiohttp_client(make_app())
    paths = ["/" + "a" * 511, "/" + "b" * 512, "/" + "%C3%BC" * 1_000]

    for path in paths:
        await client.get(path)

    logged = [record.fields["path"] for record in lines()]
    assert [paths[0], f"{paths[1][:512]}… (513 characters)", f"{paths[2][:512]}… (6001 characters)"] == logged
    assert max(len(record.getMessage()) for record in lines()) < 600
