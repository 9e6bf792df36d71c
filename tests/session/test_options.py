"""What a program passes to the service and to ``setup``: numbers as they come, and anything else refused by name."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bodhi.database import BadDatabaseUrl, open_database
from bodhi.errors import ConfigurationError
from bodhi.session import CookiePolicy, DefaultSessionService, SessionStorage, get_session, setup
from session.conftest import KEY

NO_NUMBERS = [timedelta(days=1), nan, inf, -inf, True, "86400", "", b"1", Path("1"), Decimal(60), [60], 1j]
NO_TEXTS = [Path("x"), b"x", 7, True, ""]
NO_FLAGS = [None, 0, 1, "false", "no", ""]
UNUSABLE: dict[str, Sequence[Any]] = {
    "idle_seconds": [None, 0, -1, 0.5, 10**12, *NO_NUMBERS],
    "lifetime_seconds": [None, 0, -1, 10**12, *NO_NUMBERS],
    "touch_seconds": [None, -1, -0.1, *NO_NUMBERS],
    "sweep_seconds": [0, -1, *NO_NUMBERS],
    "max_per_user": [0, -1, 1.5, *NO_NUMBERS],
    "pool_size": [None, 0, -1, 2.5, 10_000, *NO_NUMBERS],
    "limit_seconds": [None, 0, -1, *NO_NUMBERS],
    "statement_cache_size": [None, -1, 0.5, *NO_NUMBERS],
    "readers": [None, 0, -1, 1.5, *NO_NUMBERS],
    "synchronous": [None, "off", "FULL;", *NO_TEXTS],
    "schema": NO_TEXTS,
    "auto_migrate": NO_FLAGS,
    "cookie": ["sid", {}, CookiePolicy],
    "clock": [None, 1_800_000_000_000],
    "keys": [None, (), [None], [7], [Path("k" * 32)], Path("k" * 32), {KEY}, iter([KEY]), {KEY: 1}],
}
URLS = ["sqlite::memory:", "postgres://127.0.0.1:1/x"]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", UNUSABLE)
def test_an_option_of_a_wrong_type_or_out_of_range_is_refused_by_name(url, name):
    """With the option's name and what is allowed, whichever database it is for, before anything is opened."""
    for value in UNUSABLE[name]:
        with pytest.raises(ConfigurationError, match=rf"^{name}\b") as caught:
            DefaultSessionService.from_url(url, **{"keys": [KEY], name: value})

        assert "allowed: " in str(caught.value) or name == "keys"


@pytest.mark.parametrize("url", [None, Path("session.sqlite"), b"sqlite:x", 7])
async def test_a_url_of_a_wrong_type_is_refused(url):
    """The variable that holds it was not set, or it is a path."""
    for make in (DefaultSessionService.from_url, lambda url, **_: open_database(url)):
        with pytest.raises(BadDatabaseUrl, match=r"^url is .*allowed: .*sqlite:.*postgres://"):
            make(url, keys=[KEY])
    for connect in (DefaultSessionService.connect_sqlite, DefaultSessionService.connect_postgres):
        with pytest.raises(BadDatabaseUrl, match=r"^url is "):
            await connect(url, keys=[KEY])


@pytest.mark.parametrize("store", [None, "sqlite::memory:", Path("session.sqlite")])
def test_what_is_no_store_is_refused(store):
    """A URL goes to from_url."""
    with pytest.raises(ConfigurationError, match=r"^store is .*from_url"):
        DefaultSessionService(store, keys=[KEY])


def test_what_is_no_database_is_refused(service_without_database):
    """The URL of one, for example."""
    with pytest.raises(ConfigurationError, match=r"^database is "):
        DefaultSessionService(service_without_database, keys=[KEY], database="sqlite::memory:")


@pytest.fixture
def service_without_database():
    """A store whose database is not opened."""
    return DefaultSessionService.from_url("sqlite::memory:", keys=[KEY]).get_session_store()


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", None), ("name", Path("sid")), *(("secure", value) for value in NO_FLAGS), ("host_prefix", "false")],
)
def test_an_attribute_of_the_cookie_of_a_wrong_type_is_refused(name, value):
    """The text "false" would be true."""
    with pytest.raises(ConfigurationError, match=rf"^{name} is .*allowed: "):
        CookiePolicy(**{name: value})


@pytest.mark.parametrize("value", [-1, *NO_NUMBERS])
def test_a_max_age_that_is_none_is_refused(value, service_without_database):
    """By setup and by the storage for aiohttp-session's."""
    service = DefaultSessionService(service_without_database, keys=[KEY])

    with pytest.raises(ConfigurationError, match=r"^max_age is .*allowed: "):
        setup(web.Application(), service, max_age=value)
    with pytest.raises(ConfigurationError, match=r"^max_age is .*allowed: "):
        SessionStorage(service, max_age=value)


@pytest.mark.parametrize(("name", "value"), [("service", None), ("service", "sqlite:x"), ("client_of", "X-Real-IP")])
def test_what_setup_cannot_use_is_refused(name, value, service_without_database):
    """The application is as it was."""
    app = web.Application()
    given = {"service": DefaultSessionService(service_without_database, keys=[KEY]), name: value}

    with pytest.raises(ConfigurationError, match=rf"^{name} is "):
        setup(app, **given)

    assert not app.middlewares


@pytest.mark.parametrize("seconds", [86_400 / 7, 600.0, 1.25, 3e8])
async def test_timeouts_may_be_fractions(seconds, make_service, clock):
    """A quotient, or what timedelta.total_seconds() gives: the same on both databases."""
    service = await make_service(idle_seconds=seconds, lifetime_seconds=seconds, touch_seconds=seconds / 10)

    session_id, session = await service.create({"a": 1})

    assert clock.now_ms + round(seconds * 1000) == session.record.expires_at == session.record.ends_at
    clock.advance(seconds / 2)
    assert await service.load(session_id)
    assert 1 == await service.flush()
    clock.advance(seconds / 2)
    assert await service.load(session_id) is None


@pytest.mark.parametrize(
    ("given", "sent"),
    [(timedelta(days=1).total_seconds(), 86_400), (86_400 / 7, 12_343), (0.5, 1), (59.0000001, 60)],
)
async def test_max_age_goes_out_in_whole_seconds(given, sent, serve, make_service):
    """By the session and by setup; clients drop a cookie whose Max-Age is no whole number."""
    service = await make_service(idle_seconds=1_209_600, lifetime_seconds=1_209_600)

    async def login(request: web.Request) -> web.Response:
        session = await get_session(request)
        session.max_age = given
        session["user_id"] = "ann"
        return web.Response()

    async def again(request: web.Request) -> web.Response:
        (await get_session(request))["n"] = 1
        return web.Response()

    client = await serve(service, login=login)
    by_setup = await serve(service, install=lambda app, service: setup(app, service, max_age=given), again=again)

    for response in (await client.post("/login"), await by_setup.post("/again")):
        assert 200 == response.status
        assert f"; Max-Age={sent};" in response.headers["Set-Cookie"]
    for info in await service.list_sessions_for_user("ann"):
        assert timedelta(seconds=sent) == info.expires_at - info.created_at


@pytest.mark.parametrize("seconds", [600.25, 1e300, 10**30, 0.001])
async def test_the_service_takes_fractions_of_a_max_age(seconds, service):
    """And an end beyond all timeouts: what a program that begins a session by itself may pass."""
    session_id, session = await service.create({"a": 1}, max_age_seconds=seconds)
    saved = await service.save(session, {"a": 2}, ages=True, max_age_seconds=seconds)
    await service.atomically(saved.record.digest, lambda data, _: data.update(a=3), max_age_seconds=seconds)

    assert {"a": 3} == (await service.load(session_id)).data


@pytest.mark.parametrize("value", [timedelta(days=1), "3600", nan, True, -1])
async def test_a_session_refuses_what_is_no_max_age(value, serve, service):
    """Where the handler sets it, and the session stays as it was."""
    errors: list[str] = []

    async def remember(request: web.Request) -> web.Response:
        session = await get_session(request)
        try:
            session.max_age = value
        except ConfigurationError as error:
            errors.append(str(error))
        return web.json_response({"max_age": session.max_age, "changed": session.is_changed})

    client = await serve(service, remember=remember)

    assert {"max_age": None, "changed": False} == await (await client.post("/remember")).json()
    (error,) = errors
    assert error.startswith("max_age is ")
