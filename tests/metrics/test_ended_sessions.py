"""Every end of a session is logged and counted once, by reason."""

import asyncio
import logging

import pytest

from bodhi.database import DatabaseUnavailable
from bodhi.session import DefaultSessionService, SessionUnavailable
from bodhi.session.records import Save
from bodhi.testing.clock import Clock

KEY = "k" * 32


@pytest.fixture
def clock():
    """The clock of the sessions."""
    return Clock()


@pytest.fixture
async def make_service(database_url, clock):
    """Opens services on the test's database with the options *policy*."""
    opened = []

    async def make(**policy):
        service = await DefaultSessionService.connect(
            database_url, keys=[KEY], sweep_seconds=None, clock=clock, **policy
        )
        opened.append(service)
        return service

    yield make
    for service in opened:
        await service.close()


@pytest.fixture
async def service(make_service):
    """One service."""
    return await make_service()


@pytest.fixture
def end_records(caplog):
    """Return the log records about ended sessions so far."""
    caplog.set_level(logging.INFO, logger="bodhi.session.endings")

    def end_records():
        fields = [record.fields for record in caplog.records if record.name == "bodhi.session.endings"]
        assert all(one["event"] == "sessions_ended" for one in fields)
        return [(one["reason"], one["ended"], one["user_id"], one["by"]) for one in fields]

    return end_records


async def test_revoking_and_clearing_is_logged_and_counted(service, end_records, caplog):
    """With who did it, and not where nothing ended."""
    handles = [(await service.create({"user_id": "ann"}))[1].handle for _ in range(4)]

    assert await service.revoke_session(handles[0])  # whose it was is known from its row
    assert not await service.revoke_session(handles[0], user_id="ann")
    await service.revoke_other_sessions("ann", handles[1], by="ann")
    await service.clear_sessions_for_user("ann", reason="role_change", by="root")
    await service.create({"user_id": "bob"})
    await service.clear_all_sessions(by="operator")

    assert [
        ("revoked", 1, "ann", None),
        ("revoked", 2, "ann", "ann"),
        ("role_change", 1, "ann", "root"),
        ("cleared", 1, None, "operator"),
    ] == end_records()
    assert [
        "sessions ended reason=revoked ended=1 user_id=ann",
        "sessions ended reason=revoked ended=2 user_id=ann by=ann",
        "sessions ended reason=role_change ended=1 user_id=ann by=root",
        "sessions ended reason=cleared ended=1 by=operator",
    ] == [record.getMessage() for record in caplog.records if record.name == "bodhi.session.endings"]
    assert {"revoked": 3, "role_change": 1, "cleared": 1} == service.counters.endings


async def test_revoking_several_sessions_of_a_user_is_one_event(service, end_records, monkeypatch):
    """How many were live, and the user's; what an outage cuts short is told as far as it came."""
    handles = [(await service.create({"user_id": user}))[1].handle for user in ("ann", "ann", "bob", "ann", "ann")]
    await service.revoke_session(handles[0])

    assert 1 == await service.revoke_sessions("ann", handles[:3], reason="backchannel_logout", by="root")
    assert 0 == await service.revoke_sessions("ann", handles[:3])
    revoke = service.get_session_store().revoke

    async def failing(handle, **whose):
        if handle == handles[4]:
            raise SessionUnavailable
        return await revoke(handle, **whose)

    monkeypatch.setattr(service.get_session_store(), "revoke", failing)
    with pytest.raises(SessionUnavailable):
        await service.revoke_sessions("ann", handles[3:])

    expected = [("revoked", 1, "ann", None), ("backchannel_logout", 1, "ann", "root"), ("revoked", 1, "ann", None)]
    assert expected == end_records()
    assert {"revoked": 2, "backchannel_logout": 1} == service.counters.endings
    assert [1, 1] == [await service.count_sessions_for_user(user) for user in ("ann", "bob")]


@pytest.mark.parametrize("whose", ["ann", None])
async def test_sessions_ended_before_an_outage_are_logged(service, end_records, monkeypatch, whose):
    """The rest ends when it is tried again."""
    store = service.get_session_store()
    monkeypatch.setattr(type(store), "clear_batch", 2)
    many, batches = store.database.many, []

    async def failing(name, /, **values):
        if batches:
            raise DatabaseUnavailable
        batches.append(await many(name, **values))
        return batches[0]

    for _ in range(5):
        await service.create({"user_id": "ann"})
    monkeypatch.setattr(store.database, "many", failing)
    clearing = service.clear_all_sessions() if whose is None else service.clear_sessions_for_user(whose)
    with pytest.raises(SessionUnavailable):
        await clearing

    ended = 5 - await service.count_sessions()
    assert 2 <= ended  # PostgreSQL ends those of a user in one statement
    assert [("cleared", ended, whose, None)] == end_records()
    assert {"cleared": ended} == service.counters.endings


async def test_logout_is_logged_and_counted(service, end_records):
    """Also by taking everything out of a session; once, though the request is repeated."""
    _, session = await service.create({"user_id": "ann"})
    _, emptied = await service.create({"user_id": "ann"})

    await service.delete(session.record.digest, user_id="ann")
    await service.delete(session.record.digest, user_id="ann")
    await service.save(emptied, {})

    assert [("logout", 1, "ann", None)] * 2 == end_records()


async def test_replaced_session_is_logged_and_counted(service, end_records):
    """The one that was seen live has ended."""
    _, session = await service.create({"user_id": "ann"})

    await service.create({"user_id": "bob"}, replaces=session.record.digest, must_replace=True)

    assert [("replaced", 1, "ann", None)] == end_records()


async def test_replacing_an_unread_session_is_logged(service, end_records, clock):
    """Once, and not where none was live: a login with new_session() reads nothing before."""
    _, session = await service.create({"user_id": "ann"})
    _, expired = await service.create({"user_id": "cy"}, max_age_seconds=1)
    clock.advance(1_000)

    for replaced in (session, session, expired):
        await service.create({"user_id": "bob"}, replaces=replaced.record.digest)

    assert [("replaced", 1, "ann", None)] == end_records()
    assert 3 == await service.count_sessions_for_user("bob")


async def test_concurrent_replacements_are_logged_once(service, end_records):
    """Whoever has ended it."""
    _, session = await service.create({"user_id": "ann"})

    creations = (service.create({"user_id": "bob"}, replaces=session.record.digest) for _ in range(8))
    await asyncio.gather(*creations)

    assert [("replaced", 1, "ann", None)] == end_records()
    assert 8 == await service.count_sessions()


async def test_change_of_user_is_logged_and_counted(service, end_records):
    """Whose it was is logged in there no more; nothing ends where they log in again."""
    _, session = await service.create({"cart": 1})
    for owner in ("ann", "ann", "bob", None):
        _, session = await service.rotate(session, {"user_id": owner, "cart": 1}, renewed=True)

    assert [("replaced", 1, "ann", None), ("logout", 1, "bob", None)] == end_records()


async def test_unreadable_session_is_logged_and_counted(service, end_records):
    """Nobody ended it on purpose; its user is logged out all the same."""
    session_id, session = await service.create({"user_id": "ann"})
    record = session.record
    save = Save(record.digest, record.version, b"\x01garbage", record.user_id)
    assert await service.get_session_store().save(save)

    assert await service.load(session_id) is None
    assert await service.load(session_id) is None

    assert [("unreadable", 1, "ann", None)] == end_records()
    assert (1, 0) == (service.counters.unreadable, service.counters.deletions)


async def test_reason_of_a_revocation_is_counted(make_service, clock):
    """Whichever way: with the cap and with replacements, and not twice where nothing was left to end."""
    service = await make_service(max_per_user=1)
    for _ in range(2):
        _, session = await service.create({"user_id": "ann"})
    await service.create({"user_id": "bob"}, replaces=session.record.digest)
    await service.delete(session.record.digest)
    await service.clear_all_sessions()
    await service.create({"user_id": "ann"})
    clock.advance(30 * 86_400_000)
    await service.sweep()

    assert {"cap": 1, "replaced": 1, "cleared": 1, "expired": 1} == service.counters.endings
    assert 3 == service.counters.deletions


async def test_sessions_ended_by_the_cap_are_logged_and_counted(make_service, end_records):
    """At logins by creation and by rotation; nothing while the user is below it."""
    service = await make_service(max_per_user=2)
    _, visitor = await service.create({"cart": 1})
    for _ in range(3):
        await service.create({"user_id": "ann"})

    await service.rotate(visitor, {"user_id": "ann"}, renewed=True)

    assert [("cap", 1, "ann", None)] * 2 == end_records()


async def test_swept_sessions_are_logged_and_counted(service, end_records, clock):
    """How many, in one record."""
    for _ in range(3):
        await service.create({"user_id": "ann"})
    clock.advance(30 * 86_400_000)

    assert 3 == await service.sweep()
    assert 0 == await service.sweep()

    assert [("expired", 3, None, None)] == end_records()


async def test_log_records_contain_no_credentials(service, caplog):
    """Neither an id nor its digest nor a handle is in any of them."""
    caplog.set_level(logging.DEBUG)
    session_id, session = await service.create({"user_id": "ann"})
    await service.revoke_session(session.handle, user_id="ann")

    written = "".join(f"{record.getMessage()}{record.__dict__}" for record in caplog.records if "bodhi" in record.name)
    assert "sessions_ended" in written
    assert not [secret for secret in (session_id, session.record.digest.hex(), session.handle) if secret in written]
