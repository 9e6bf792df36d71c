"""The service: its names and signatures, which other programs call, and its opening and closing."""

import asyncio
import inspect
import logging

import pytest

import bodhi.session
from bodhi.database import BadDatabaseUrl, CannotOpen
from bodhi.errors import ConfigurationError
from bodhi.session import DefaultSessionService, SessionInfo, SessionStore, SessionUnavailable
from bodhi.session.manager import SessionManager
from session.conftest import KEY, SETTINGS

UNUSABLE_URLS = ["mysql://x/y", "redis://x", "session.db", "", "sqlite:", "sqlite://host/x.db"]


def test_the_names_that_other_programs_use():
    """``from bodhi.session import ...``."""
    assert {"DefaultSessionService", "setup", "SessionUnavailable", "CookiePolicy", "SessionInfo"} <= set(
        bodhi.session.__all__
    )
    assert all(hasattr(bodhi.session, name) for name in bodhi.session.__all__)


@pytest.mark.parametrize(
    ("name", "parameters", "returns"),
    [
        ("clear_sessions_for_user", ["user_id"], "int"),
        ("clear_all_sessions", [], "int"),
        ("count_sessions_for_user", ["user_id"], "int"),
        ("get_session_ids_for_user", ["user_id"], "list[str]"),
        ("dump_all_sessions", [], "AsyncIterator[tuple[str, str | None]]"),
        ("list_sessions_for_user", ["user_id"], "list[bodhi.session.administration.SessionInfo]"),
        ("revoke_session", ["handle"], "bool"),
        ("revoke_sessions", ["user_id", "handles"], "int"),
        ("revoke_other_sessions", ["user_id", "keep"], "int"),
        ("get_session_store", [], "SessionStore"),
        ("sweep", [], "int"),
        ("close", [], "None"),
    ],
)
def test_the_signatures_that_other_programs_call(name, parameters, returns):
    """Names, required parameters in their order, and what comes back."""
    signature = inspect.signature(getattr(DefaultSessionService, name))

    required = [
        parameter.name for parameter in list(signature.parameters.values())[1:] if parameter.default is parameter.empty
    ]
    assert parameters == required
    assert returns.rpartition(".")[2] in inspect.formatannotation(signature.return_annotation)


def test_the_defaults_are_a_day_and_a_fortnight():
    """86,400 seconds idle, 1,209,600 in all."""
    parameters = inspect.signature(SessionManager).parameters

    assert (86_400, 1_209_600) == (parameters["idle_seconds"].default, parameters["lifetime_seconds"].default)


async def test_connect_gives_a_service_that_works(database_url):
    """Connected and migrated; the example of the documentation."""
    service = await DefaultSessionService.connect(
        database_url, keys=[KEY], idle_seconds=86_400, lifetime_seconds=1_209_600
    )
    try:
        session_id, _ = await service.create({"a": 1})
        assert {"a": 1} == (await service.load(session_id)).data
    finally:
        await service.close()


async def test_the_service_is_a_context_manager(database_url, clock):
    """Entered it is open, left it is closed; what it stored is there for the next."""
    async with DefaultSessionService.from_url(database_url, **SETTINGS, clock=clock) as service:
        session_id, _ = await service.create({"a": 1})

    async with DefaultSessionService.from_url(database_url, **SETTINGS, clock=clock) as service:
        assert {"a": 1} == (await service.load(session_id)).data


async def test_the_url_picks_the_store(database_url, dialect):
    """connect() by the scheme; connect_sqlite() and connect_postgres() insist on one."""
    kinds = {"sqlite": bodhi.session.SqliteSessionStore, "postgres": bodhi.session.PostgresSessionStore}
    named = {
        "sqlite": DefaultSessionService.connect_sqlite,
        "postgres": DefaultSessionService.connect_postgres,
    }
    (wrong,) = set(named) - {dialect}

    service = await named[dialect](database_url, keys=[KEY])
    await service.close()

    assert isinstance(service.get_session_store(), kinds[dialect])
    with pytest.raises(BadDatabaseUrl):
        await named[wrong](database_url, keys=[KEY])


@pytest.mark.parametrize("url", UNUSABLE_URLS)
async def test_a_url_that_names_no_database_is_refused(url):
    """One line, before anything is opened."""
    with pytest.raises(ConfigurationError):
        await DefaultSessionService.connect(url, keys=[KEY])


async def test_a_database_that_cannot_be_opened_is_a_configuration_error(tmp_path):
    """And leaves nothing behind."""
    (tmp_path / "file").touch()
    before = asyncio.all_tasks()

    with pytest.raises(CannotOpen):
        await DefaultSessionService.connect(f"sqlite:{tmp_path}/file/session.sqlite", keys=[KEY])
    with pytest.raises(CannotOpen, match=r"\*\*\*"):
        await DefaultSessionService.connect("postgresql://u:secret@127.0.0.1:1/x", keys=[KEY], limit_seconds=0.5)

    assert before == asyncio.all_tasks()


@pytest.mark.parametrize("keys", [[], ["short"], "not a list of keys, but long enough as a text"])
async def test_keys_that_protect_nothing_are_refused(keys, sqlite_url):
    """Before anything is opened."""
    with pytest.raises(ConfigurationError, match="key"):
        await DefaultSessionService.connect(sqlite_url, keys=keys)


async def test_opening_and_closing_twice_is_once(make_service):
    """Also for a program that is careful."""
    service = await make_service()

    assert service is await service.open()
    session_id, _ = await service.create({"a": 1})
    await service.close()
    await service.close()
    await service.open()
    assert await service.load(session_id)


async def test_closing_leaves_nothing_running(make_service):
    """Nothing of a closed service goes on behind the program's back: no task, no connection being made."""
    before = asyncio.all_tasks()
    service = await make_service(sweep_seconds=60)
    await asyncio.gather(*(service.create({"number": number}) for number in range(5)))

    await service.close()

    assert before == asyncio.all_tasks()


async def test_an_outage_has_one_error_for_every_method(service, monkeypatch):
    """Whoever calls the service catches one type."""

    async def unavailable(*_, **__):
        raise bodhi.database.DatabaseUnavailable

    database = service._database
    for name in ("maybe", "many", "count", "each"):
        monkeypatch.setattr(database, name, unavailable)

    async def dump():
        return [pair async for pair in service.dump_all_sessions()]

    for call in (
        service.load("x" * 43),
        service.create({"a": 1}),
        service.delete(b"x" * 32),
        service.count_sessions(),
        service.count_sessions_for_user("alice"),
        service.get_session_ids_for_user("alice"),
        service.list_sessions_for_user("alice"),
        service.revoke_session("x" * 16),
        service.clear_sessions_for_user("alice"),
        service.clear_all_sessions(),
        dump(),
    ):
        with pytest.raises(SessionUnavailable):
            await call


async def test_service_exposes_its_store(service):
    """It speaks the protocol that other stores may speak, too."""
    methods = [name for name, value in vars(SessionStore).items() if callable(value) and not name.startswith("_")]

    assert methods
    assert all(callable(getattr(service.get_session_store(), name)) for name in methods)


async def test_a_service_runs_on_any_store(service, clock):
    """The constructor takes a store, opened by whoever made it."""
    other = DefaultSessionService(service.get_session_store(), keys=[KEY], sweep_seconds=None)

    async with other:
        session_id, _ = await other.create({"a": 1})
    assert {"a": 1} == (await service.load(session_id)).data


async def test_session_info_is_immutable(service):
    """SessionInfo is frozen: nobody changes a session by changing its listing."""
    await service.create({"user_id": "alice"})
    (info,) = await service.list_sessions_for_user("alice")

    assert isinstance(info, SessionInfo)
    with pytest.raises(AttributeError):
        info.user_id = "bob"  # type: ignore[misc]


async def test_each_event_is_counted_once(service, client, caplog):
    """One of each kind of event, once."""
    with caplog.at_level(logging.INFO):
        await client.post("/set", json={"a": 1})
        await client.post("/set", json={"b": 1})
        await client.post("/login/alice")
        await client.get("/read")
        await client.post("/logout")

    counters = service.counters
    assert (1, 1, 1, 1, 4) == (
        counters.creations,
        counters.saves,
        counters.rotations,
        counters.deletions,
        counters.loads,
    )
