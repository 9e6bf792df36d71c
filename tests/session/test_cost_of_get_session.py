"""How many statements a request takes, as docs/explanation/performance.md lists them."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from bodhi.session import DefaultSessionService, get_session
from bodhi.telemetry import trace_statement
from session.conftest import TOUCH_SECONDS, Clock, Serve

Statements = Callable[[], list[str]]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """Returns the names of the statements since it was called last."""
    names: list[str] = []

    def trace(system: str, name: str, call: Coroutine[Any, Any, object]) -> Coroutine[Any, Any, object]:
        names.append(name)
        return trace_statement(system, name, call)

    monkeypatch.setattr("bodhi.database.executor.trace_statement", trace)

    def take() -> list[str]:
        taken, names[:] = list(names), []
        return taken

    return take


async def test_what_asks_for_no_session_takes_no_statement(client: TestClient, statements: Statements) -> None:
    """With a cookie, too."""
    await client.post("/set", json={"a": 1})
    statements()

    assert 200 == (await client.get("/plain")).status
    assert [] == statements()


@pytest.mark.parametrize("cookie", [None, "malformed", "x" * 400])
async def test_a_visitor_without_a_session_takes_no_statement(
    bare_client: TestClient, service: DefaultSessionService, statements: Statements, cookie: str | None
) -> None:
    """Nor does one whose cookie cannot be an id; an unknown id is looked for."""
    headers = {} if cookie is None else {"Cookie": f"{service.cookie.full_name}={cookie}"}
    statements()

    assert {} == await (await bare_client.get("/read", headers=headers)).json()
    assert [] == statements()

    await bare_client.get("/read", headers={"Cookie": f"{service.cookie.full_name}={'x' * 43}"})
    assert ["load_session"] == statements()


async def test_a_session_is_loaded_once_and_saved_once(
    serve: Serve, service: DefaultSessionService, statements: Statements
) -> None:
    """However often a request asks for it, and however much it changes; what changed nothing is not saved."""

    async def count(request: web.Request) -> web.Response:
        for key in "abc":
            session = await get_session(request)
            session[key] = session.get(key, 0) + int(request.query["by"])
        return web.Response()

    client = await serve(service, count=count)
    await client.get("/count?by=1")
    assert ["read_beginning", "create_session"] == statements()

    await client.get("/count?by=1")
    assert ["load_session", "save_session"] == statements()
    await client.get("/count?by=0")
    assert ["load_session"] == statements()


async def test_a_use_is_noted_once_a_minute_for_many_sessions_together(
    client: TestClient, service: DefaultSessionService, clock: Clock, statements: Statements
) -> None:
    """Behind the requests."""
    await client.post("/set", json={"a": 1})
    clock.advance(TOUCH_SECONDS + 1)
    statements()
    for _ in range(3):
        await client.get("/read")
    assert ["load_session"] * 3 == statements()

    await service.flush()
    await service.flush()
    assert 1 == len(statements())
