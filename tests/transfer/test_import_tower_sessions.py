"""``bodhi sessions import tower-sessions``, from and to both databases."""

import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from bodhi.database import open_database
from bodhi.keyring import Keyring
from bodhi.session.handles import digest_of, handle_of
from bodhi.transfer import tower_sessions
from support.raw_database import RawDatabase
from transfer.conftest import KEY
from transfer.tower import FAR_SECONDS, TowerTable, cookie_of, record

DAY_MS = 86_400_000
FAR = datetime.fromtimestamp(FAR_SECONDS, UTC)
NOTHING = {"read": 0, "written": 0, "kept": 0, "expired": 0, "empty": 0, "failed": 0}


@pytest.fixture
async def table_in(target_url, tmp_path):
    """Creates the source table, on the database that is not the target."""
    async with AsyncExitStack() as stack:

        async def table_in(**options):
            if target_url.startswith("sqlite:"):
                options.pop("table", None)
                return await stack.enter_async_context(TowerTable.in_sqlite(tmp_path / "tower.sqlite", **options))
            return await stack.enter_async_context(await TowerTable.in_postgres(target_url, **options))

        yield table_in


@pytest.fixture
def bring(run, database_url):
    """Runs the import; returns the counts and stderr."""

    async def bring(table, *options):
        arguments = ("import", "tower-sessions", "--from", table.url, "--json", *options)
        status, out, err = await run(*arguments, BODHI_SESSION_DB_URL=database_url)
        assert 0 == status, err
        told = json.loads(out)
        assert told.pop("dry_run") == ("--dry-run" in options)
        return told, err

    return bring


@pytest.mark.parametrize("table", ["tower_sessions", "tower_sessions.tower_sessions", "tower_sessions.session"])
async def test_sessions_are_imported(table, table_in, bring, service_on, database_url):
    """Wherever the table is: data, owner, and times that are never longer than either side says."""
    rust = await table_in(table=table, user_id=table == "tower_sessions")
    now = datetime.now(UTC)
    cookies = [
        await rust.add({"user_id": 7, "big": 2**64 - 1}),
        await rust.add({"a": 1}, seconds=int(now.timestamp()) + 3600),
        await rust.add({"user_id": "carol"}, seconds=1_000_000_000),
        await rust.add({}),
    ]
    await rust.put(cookie_of(1), b"rubbish", FAR)

    told, err = await bring(rust)

    assert NOTHING | {"read": 5, "written": 2, "expired": 1, "empty": 1, "failed": 1} == told
    assert f"session {handle_of(digest_of(cookie_of(1)))} skipped: data is not MessagePack\n" == err
    service = await service_on(database_url)
    first, second, *others = [await service.load(cookie) for cookie in [*cookies, cookie_of(1)]]
    assert [None] * 3 == others
    assert ({"user_id": 7, "big": 2**64 - 1}, "7") == (first.data, first.record.user_id)
    life = first.record.ends_at - first.record.created_at, first.record.expires_at - first.record.created_at
    assert (14 * DAY_MS, DAY_MS) == life
    assert (int(now.timestamp()) + 3600) * 1000 == second.record.ends_at == second.record.expires_at


async def test_a_row_without_an_id_is_counted(table_in, bring):
    """The empty text comes before all others; no other row is read twice."""
    rust = await table_in()
    await rust.put("", record(0, {"a": 1}), FAR)
    for number in range(1, 4):
        await rust.add({"a": 1}, number=number)

    told, err = await bring(rust)

    assert NOTHING | {"read": 4, "written": 3, "failed": 1} == told
    assert f"session {handle_of(sha256().digest())} skipped: the id is not 22 characters of base64url\n" == err


async def test_rows_with_invalid_utf_8_do_not_stop_the_import(bring, service_on, database_url, tmp_path):
    """SQLite keeps any bytes as text. What is told of them lets nobody in: the id is the cookie."""
    async with TowerTable.in_sqlite(tmp_path / "broken.sqlite") as rust:
        for number in range(1, 4):
            await rust.add({"n": number}, number=number)
        broken = b"AAAA\xff" + cookie_of(4).encode()[5:]
        rust.put_bytes(broken, record(4, {"n": 4}))
        rust.put_bytes(cookie_of(5).encode(), b"\xff rubbish", is_text=True)
        rust.put_bytes(cookie_of(6).encode(), record(6, {"n": 6}), b"\xff")
        rust.put_bytes(cookie_of(7).encode(), record(7, {"n": 7}), is_text=True)  # the Rust server reads it too

        told, err = await bring(rust)

    assert NOTHING | {"read": 7, "written": 5, "failed": 2} == told
    assert {
        f"session {handle_of(sha256(broken).digest())} skipped: the id is not 22 characters of base64url",
        f"session {handle_of(digest_of(cookie_of(5)))} skipped: data is not MessagePack",
    } == set(err.splitlines())
    service = await service_on(database_url)
    imported = [1, 2, 3, 6, 7]
    assert imported == [(await service.load(cookie_of(number))).data["n"] for number in imported]


@pytest.mark.parametrize("page", [2, 5])
async def test_import_reads_all_pages(page, table_in, service_on, database_url, monkeypatch):
    """Each row is read once, wherever a page ends, and the last page may be empty."""
    monkeypatch.setattr(tower_sessions, "PAGE", page)
    rust = await table_in()
    await rust.put("", b"", FAR)
    for number in range(1, 5):
        await rust.add({"n": number}, number=number)
    service = await service_on(database_url)
    async with open_database(rust.url, read_only=True) as source:
        importing = tower_sessions.TowerImport(
            source,
            service.get_session_store().database,
            keyring=Keyring([KEY]),
            idle_ms=DAY_MS,
            lifetime_ms=DAY_MS,
            failed=lambda *_: None,
        )
        tally = [tally async for tally in importing.run()][-1]

    assert (5, 4, 1) == (tally.read, tally.written, tally.failed)
    assert 4 == await service.count_sessions()


async def test_a_dry_run_counts(table_in, bring, run, service_on, database_url):
    """Before there is a database, and after."""
    rust = await table_in()
    await rust.add({"a": 1})

    assert 1 == (await bring(rust, "--dry-run"))[0]["written"]
    service = await service_on(database_url)
    assert 1 == (await bring(rust, "--dry-run"))[0]["written"]
    arguments = ("import", "tower-sessions", "--from", rust.url, "--dry-run")
    counted = "1 read, 1 would be written, 0 kept, 0 expired, 0 empty, 0 failed\n"
    assert (0, counted, "") == await run(*arguments, BODHI_SESSION_DB_URL=database_url)
    assert 0 == await service.count_sessions()


async def test_a_second_import_keeps_what_is_newer(table_in, bring, service_on, database_url):
    """What changed here or ended here stays so; what only the Rust server changed is brought."""
    rust = await table_in()
    saved, ended, moved, changed, same = [await rust.add({"n": n}, number=n + 1) for n in range(5)]
    assert 5 == (await bring(rust))[0]["written"]
    service = await service_on(database_url)
    await service.save(await service.load(saved), {"n": "saved"})
    await service.delete(digest_of(ended))
    moved_to, _ = await service.rotate(await service.load(moved), {"n": "moved"})
    for number in (1, 2, 3, 4):
        await rust.put(cookie_of(number), record(number, {"n": "later"}), FAR)

    assert NOTHING | {"read": 5, "written": 1, "kept": 4} == (await bring(rust))[0]
    assert NOTHING | {"read": 5, "kept": 5} == (await bring(rust))[0]

    found = [await service.load(cookie) for cookie in (saved, ended, moved, moved_to, changed, same)]
    assert ["saved", None, None, "moved", "later", 4] == [session and session.data["n"] for session in found]


async def test_a_session_in_use_during_an_import_keeps_its_data_bound(table_in, bring, service_on, database_url):
    """The import moves the end of a session that a request has loaded: the request merges, and the session opens."""
    rust = await table_in()
    now = int(datetime.now(UTC).timestamp())
    cookie = await rust.add({"user_id": 7, "n": 1}, number=1, seconds=now + 3600)
    await bring(rust)
    service = await service_on(database_url)
    loaded = await service.load(cookie)
    await rust.add({"user_id": 7, "n": 2}, number=1, seconds=now + 7200)
    assert 1 == (await bring(rust))[0]["written"]

    await service.save(loaded, {**loaded.data, "mine": 1})

    session = await service.load(cookie)
    assert {"user_id": 7, "n": 2, "mine": 1} == session.data
    assert (now + 7200) * 1000 == session.record.ends_at
    assert NOTHING | {"read": 1, "kept": 1} == (await bring(rust))[0]
    assert 0 == service.counters.unreadable


async def test_an_import_binds_sessions_to_their_rows(table_in, bring, service_on, database_url):
    """Whose they are and when they end cannot be changed by who writes the table."""
    rust = await table_in()
    cookies = [await rust.add({"user_id": 7}, number=number) for number in (1, 2)]
    await bring(rust)
    async with RawDatabase(database_url) as raw:
        await raw.rows("UPDATE bodhi_session SET user_id = '8' WHERE digest = $1", digest_of(cookies[0]))
        await raw.rows("UPDATE bodhi_session SET ends_at = ends_at + 1 WHERE digest = $1", digest_of(cookies[1]))

    service = await service_on(database_url)
    assert [None, None] == [await service.load(cookie) for cookie in cookies]


async def test_a_database_without_the_table_is_refused(run, database_url, tmp_path):
    """Naming the option; a file that is not there is not made."""
    arguments = ("import", "tower-sessions", "--from", f"sqlite:{tmp_path / 'none.sqlite'}")

    status, out, err = await run(*arguments, BODHI_SESSION_DB_URL=database_url)

    assert (2, "") == (status, out)
    assert err.startswith("bodhi: error: --from: ")
    assert not (tmp_path / "none.sqlite").exists()
