"""``bodhi sessions copy``, from each database to the other."""

import json

import pytest
from msgspec.structs import replace

from bodhi.database import open_database
from bodhi.session.changes import Content
from bodhi.session.handles import digest_of
from bodhi.session.records import Device, Touch

NEW_KEY = "a-new-key-for-moving-of-at-least-thirty-two-characters"
LONG_AGO = 1_000_000_000_000
COLUMNS = (
    "digest", "data", "user_id", "version", "created_at", "last_seen_at", "expires_at", "ends_at", "ip", "user_agent",
    "max_age",
)  # fmt: skip


@pytest.fixture
def copy(run, source_url, target_url):
    """Runs the copy; returns the printed counts."""

    async def copy(*options, **settings):
        status, out, err = await run("copy", "--from", source_url, "--to", target_url, "--json", *options, **settings)
        assert 0 == status, err
        told = json.loads(out)
        assert told.pop("dry_run") == ("--dry-run" in options)
        return told

    return copy


async def rows_of(url):
    """Return the stored sessions of a database."""
    async with open_database(url) as database:
        rows = await database.many("read_sessions", low=bytes(32), high=b"\xff" * 32, now=0)
        return [{name: row[name] for name in COLUMNS} for row in rows]


async def test_live_sessions_are_copied_as_they_are(run, source_url, target_url, service_on):
    """Every column is the same, so every cookie works; what has expired stays behind."""
    old = await service_on(source_url)
    device = Device("192.0.2.1", "Firefox")
    cookies = [(await old.create({"user_id": f"user {n}", "n": n}, device=device))[0] for n in range(7)]
    past = await service_on(source_url, clock=lambda: LONG_AGO)
    await past.create({"n": "expired"})

    copied = await run("copy", "--from", source_url, "--to", target_url)

    assert (0, "7 read, 7 written, 0 kept, 0 failed\n", "") == copied
    live = [row for row in await rows_of(source_url) if row["expires_at"] > LONG_AGO * 1.5]
    assert live == await rows_of(target_url)
    new = await service_on(target_url)
    assert [{"user_id": f"user {n}", "n": n} for n in range(7)] == [(await new.load(one)).data for one in cookies]


async def test_a_chosen_max_age_comes_along(copy, source_url, target_url, service_on):
    """With the session, and with a later choice."""
    old, new = await service_on(source_url), await service_on(target_url)
    choices = (None, 0, 600)
    sessions = [await old.create(replace(Content.of({"n": 0}), chosen_max_age=choice)) for choice in choices]
    await copy()
    kept = [(await new.load(session_id)).record.chosen_max_age for session_id, _ in sessions]

    session_id, session = sessions[-1]
    await old.save(session, replace(Content.of({"n": 1}), chosen_max_age=0), ages=True)
    await copy()

    assert [*choices] == kept
    assert 0 == (await new.load(session_id)).record.chosen_max_age


async def test_a_dry_run_writes_nothing(copy, run, source_url, target_url, service_on):
    """It counts what would be done, whether the target has tables or not."""
    await (await service_on(source_url)).create({"n": 1})
    told = {"read": 1, "written": 1, "kept": 0, "failed": 0, "ended": 0}

    assert told == await copy("--dry-run")
    new = await service_on(target_url)
    assert told == await copy("--dry-run")
    dry_run = await run("copy", "--from", source_url, "--to", target_url, "--dry-run")
    assert (0, "1 read, 1 would be written, 0 kept, 0 failed\n", "") == dry_run
    assert 0 == await new.count_sessions()


async def test_second_run_copies_changes(copy, source_url, target_url, service_on):
    """Saves, uses, logins and logouts; what did not change is kept, and what is newer at the target too."""
    old = await service_on(source_url)
    (kept, _), (saved, saving), (moved, moving), (ended, ending), (newer, _), (used, using) = [
        await old.create({"n": n}) for n in range(6)
    ]
    assert 6 == (await copy())["written"]
    new = await service_on(target_url)
    await old.save(saving, {"n": "saved"})
    moved_to, _ = await old.rotate(moving, {"n": "moved"})
    await old.delete(ending.record.digest)
    later = using.record.last_seen_at + 60_000
    await old.get_session_store().touch([Touch(using.record.digest, later, 86_400_000, 60_000)])
    await new.save(await new.load(newer), {"n": "newer"})

    assert {"read": 5, "written": 3, "kept": 2, "failed": 0, "ended": 2} == await copy()
    assert {"read": 5, "written": 0, "kept": 5, "failed": 0, "ended": 0} == await copy()
    ids = (kept, saved, moved, moved_to, ended, newer, used)
    found = [await new.load(one) for one in ids]
    assert [0, "saved", None, "moved", None, "newer", 5] == [session and session.data["n"] for session in found]
    assert later == found[-1].record.last_seen_at


async def test_sessions_ended_at_the_target_are_not_restored(copy, source_url, target_url, service_on):
    """Nor under its old id after a login there; what was used there stays when the source has forgotten it."""
    old = await service_on(source_url)
    sessions = [await old.create({"n": n}) for n in range(3)]
    await copy()
    new = await service_on(target_url)
    await new.delete(digest_of(sessions[0][0]))
    moved_to, _ = await new.rotate(await new.load(sessions[1][0]), {"n": "moved"})
    await new.save(await new.load(sessions[2][0]), {"n": "used"})
    await old.clear_all_sessions()
    again = await old.create({"n": "later"})

    told = await copy()

    assert (1, 0) == (told["written"], told["ended"])
    found = [await new.load(one) for one in (sessions[0][0], sessions[1][0], moved_to, sessions[2][0], again[0])]
    assert [None, None, "moved", "used", "later"] == [session and session.data["n"] for session in found]


async def test_sessions_ended_at_both_are_not_restored(copy, source_url, target_url, service_on):
    """A session that ended at the target stays ended while the source still has it."""
    cookie, _ = await (await service_on(source_url)).create({"n": 1})
    await copy()
    new = await service_on(target_url)
    await new.clear_all_sessions()

    assert {"read": 1, "written": 0, "kept": 1, "failed": 0, "ended": 0} == await copy()
    assert await new.load(cookie) is None


async def test_sessions_of_the_target_are_left_alone(run, source_url, target_url, service_on):
    """What did not come from the source is kept, and spoken of: after a way back it may have ended meanwhile."""
    await (await service_on(source_url)).create({"n": 1})
    new = await service_on(target_url)
    cookie, _ = await new.create({"n": "own"})

    status, out, err = await run("copy", "--from", source_url, "--to", target_url)

    assert (0, "1 read, 1 written, 0 kept, 0 failed\n") == (status, out)
    advice = "if you copy back, sessions that ended meanwhile may be live there again: use an empty database"
    told = "bodhi: warning: {} at the target did not come from another database, and {}; {}\n"
    assert told.format("1 session", "stays", advice) == err
    assert "own" == (await new.load(cookie)).data["n"]
    await new.create({"n": "another"})
    _, _, err = await run("copy", "--from", source_url, "--to", target_url)
    assert told.format("2 sessions", "stay", advice) == err


@pytest.mark.parametrize("place", ["variable", "file"])
async def test_data_is_encrypted_anew_for_the_target(place, copy, run, source_url, target_url, service_on, tmp_path):
    """With the key that a variable or a file holds; what no key opens is skipped, and named by its handle."""
    old = await service_on(source_url)
    cookie, _ = await old.create({"n": 1})
    stranger = await service_on(source_url, keys=("a key that nobody has any more and long enough",))
    _, unknown = await stranger.create({"n": 2})
    settings = {"NEW_KEY": NEW_KEY} if place == "variable" else {}
    name = "NEW_KEY" if place == "variable" else str(tmp_path / "new.key")
    if place == "file":
        (tmp_path / "new.key").write_text(NEW_KEY + "\n")
        (tmp_path / "new.key").chmod(0o600)

    copied = await run("copy", "--from", source_url, "--to", target_url, "--to-key", name, **settings)

    assert (0, "2 read, 1 written, 0 kept, 1 failed\n") == copied[:2]
    assert copied[2].startswith(f"session {unknown.handle} skipped: ")
    assert 1 == copied[2].count("\n")
    new = await service_on(target_url, keys=(NEW_KEY,))
    assert {"n": 1} == (await new.load(cookie)).data


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
async def test_copy_with_only_failures_is_an_error(run, source_url, target_url, service_on, options):
    """The status says so: the settings have not the key of the source."""
    old = await service_on(source_url)
    await old.create({"n": 1})
    settings = {"BODHI_ENCRYPTION_KEY": "a-key-of-other-sessions-and-long-enough", "NEW_KEY": NEW_KEY}
    arguments = ("copy", "--from", source_url, "--to", target_url, "--to-key", "NEW_KEY", "--json", *options)

    status, out, _ = await run(*arguments, **settings)

    assert (1, 0, 1) == (status, json.loads(out)["written"], json.loads(out)["failed"])
    await old.clear_all_sessions()
    assert 0 == (await run(*arguments, **settings))[0]


async def test_a_key_on_the_command_line_is_refused(run, source_url, target_url, service_on):
    """And not repeated."""
    await service_on(source_url)

    status, out, err = await run("copy", "--from", source_url, "--to", target_url, "--to-key", NEW_KEY)

    assert (2, "") == (status, out)
    assert err.startswith("bodhi: error: --to-key: neither an environment variable nor a readable file")
    assert NEW_KEY not in err


async def test_a_database_without_sessions_is_refused(run, source_url, target_url, tmp_path):
    """It names the option, and makes neither tables nor a file."""
    status, out, err = await run("copy", "--from", source_url, "--to", target_url)

    assert (2, "", 1) == (status, out, err.count("\n"))
    assert err.startswith("bodhi: error: --from: ")
    assert not (tmp_path / "session.sqlite").exists()


async def test_the_same_database_twice_is_refused(run, source_url):
    """A copy onto itself is a slip."""
    status, _, err = await run("copy", "--from", source_url, "--to", source_url)

    assert (2, "bodhi: error: --from and --to name the same database\n") == (status, err)


@pytest.mark.parametrize("option", ["--from", "--to"])
@pytest.mark.parametrize("what", ["no url", "rubbish", "a folder"])
async def test_non_database_is_a_one_line_error(run, option, what, sqlite_url, source_url, service_on, tmp_path):
    """That names the option."""
    await service_on(source_url)
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 1000)
    url = {
        "no url": "mysql://ann:secret@db/x",
        "rubbish": f"sqlite:{tmp_path}/rubbish",
        "a folder": f"sqlite:{tmp_path}",
    }
    urls = {"--from": source_url, "--to": source_url, option: url[what]}

    status, out, err = await run("copy", "--from", urls["--from"], "--to", urls["--to"])

    assert (2, "", 1) == (status, out, err.count("\n")), err
    assert err.startswith(f"bodhi: error: {option}: ")
    assert "secret" not in err


async def test_a_database_in_memory_is_no_target(run, source_url, service_on):
    """It would be gone, and the sessions with it."""
    await service_on(source_url)

    status, out, err = await run("copy", "--from", source_url, "--to", "sqlite::memory:")

    assert (2, "", 1) == (status, out, err.count("\n"))
    assert "bodhi: error: --to: an in-memory database is lost when this command ends: name a file\n" == err


async def test_dry_run_refuses_the_same_inputs(run, source_url, target_url, service_on):
    """A target of a newer bodhi; and it says when it cannot see what an older one holds."""
    await (await service_on(source_url)).create({"n": 1})
    await service_on(target_url)
    arguments = ("copy", "--from", source_url, "--to", target_url, "--dry-run")
    async with open_database(target_url) as database:
        await database.count("record_version", part="session", version=9999, name="later")
        status, out, err = await run(*arguments)
        assert (2, "") == (status, out)
        assert err.startswith("bodhi: error: --to: ")
        await database.script("DELETE FROM bodhi_schema WHERE version > 1")
        status, out, err = await run(*arguments)

    assert (0, "1 read, 1 would be written, 0 kept, 0 failed\n") == (status, out), err
    assert "has an older schema: all sessions count as new" in err
