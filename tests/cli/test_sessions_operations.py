"""Listing and revoking sessions on the command line."""

import asyncio
import hashlib
import json
import os
import pty
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from bodhi.cli.sessions import _dump
from bodhi.session import DefaultSessionService
from bodhi.session.records import Device
from cli.conftest import KEY

FIREFOX = Device("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")


@pytest.fixture
def database(database_url, process_environ):
    """The session database: two sessions of Ann, one of Bob, an anonymous one, an expired one."""
    return filled(database_url, process_environ)


@pytest.fixture
def sqlite_database(sqlite_url, process_environ):
    """The same in SQLite, for processes of which nothing but what they print is looked at."""
    return filled(sqlite_url, process_environ)


def filled(url, environ):
    """Store the sessions, and name the database in the environment of commands."""
    environ["BODHI_SESSION_DB_URL"] = environ["BODHI_DATABASE_URL"] = url

    async def fill():
        async with service_on(url, clock=lambda: 1_000_000_000_000) as service:
            await service.create({"user_id": "ann"})
        async with service_on(url) as service:
            for data in ({"user_id": "ann"}, {"user_id": "ann"}, {"user_id": "bob"}, {"cart": 1}):
                await service.create(data, device=FIREFOX)

    asyncio.run(fill())
    return url


def service_on(url, **options):
    """A service to be entered."""
    return DefaultSessionService.from_url(url, keys=[KEY], sweep_seconds=None, **options)


def handles_of(url, user):
    """Return the handles of the user's live sessions, oldest first."""

    async def ask():
        async with service_on(url) as service:
            return await service.get_session_ids_for_user(user)

    return asyncio.run(ask())


def lines_of(out):
    """Return the JSON values, one per line."""
    return [json.loads(line) for line in out.splitlines()]


def test_sessions_are_listed(bodhi_command, database):
    """With what they are known by, and no more; expired ones are none."""
    status, out, err = bodhi_command("sessions", "list", "--user", "ann")

    head, *rows = out.splitlines()
    assert (0, "") == (status, err)
    assert head.split("  ")[0] == "HANDLE"
    assert handles_of(database, "ann") == [row.split()[0] for row in rows]
    assert all(" ann Firefox on Linux 192.0.2.7 " in " ".join(row.split()) for row in rows)

    entries = lines_of(bodhi_command("sessions", "list", "--json")[1])
    assert {"ann", "bob", None} == {entry["user_id"] for entry in entries}
    assert 4 == len({entry["handle"] for entry in entries})


@pytest.mark.parametrize("chosen", [(), ("--user", "ann")])
def test_list_continues_after_its_cursor(bodhi_command, database, chosen):
    """By the cursor on stderr, which is that of the last line too."""
    seen, after = [], []
    while True:
        status, out, err = bodhi_command("sessions", "list", "--limit", "1", "--json", *chosen, *after)
        seen += lines_of(out)
        assert 0 == status
        if not err:
            break
        after = ["--after", seen[-1]["cursor"]]
        assert f"more entries: continue with --after {seen[-1]['cursor']}\n" == err

    assert (2 if chosen else 4) == len(seen) == len({entry["handle"] for entry in seen})


def test_invalid_cursor_is_refused(bodhi_command, database):
    """As a fault of the command line."""
    status, out, err = bodhi_command("sessions", "list", "--after", "x")

    assert (2, "", 1) == (status, out, len(err.splitlines()))
    assert "--after" in err


def test_sessions_are_dumped(bodhi_command, database):
    """Handle and user of each."""
    status, out, err = bodhi_command("sessions", "dump", "--json")
    entries = lines_of(out)

    assert (0, "") == (status, err)
    assert ["None", "ann", "ann", "bob"] == sorted(str(entry["user_id"]) for entry in entries)
    plain = bodhi_command("sessions", "dump")[1].splitlines()
    assert sorted(f"{entry['handle']}  {entry['user_id'] or '-'}" for entry in entries) == sorted(plain)


def test_a_session_is_revoked(bodhi_command, database):
    """Once; the log says who did it, and has nothing that lets anybody in."""
    first, second = handles_of(database, "ann")

    status, out, err = bodhi_command("sessions", "revoke", first, "--yes", "--json", BODHI_LOG_FORMAT="json")

    assert (0, {"ended": 1}) == (status, json.loads(out))
    assert ("revoked", 1, "the command line") == end_record_in(err)
    assert [second] == handles_of(database, "ann")
    status, out, err = bodhi_command("sessions", "revoke", first, "--yes")
    assert (1, "0 live sessions ended\n") == (status, out)
    assert f"no live session with the handle '{first}'" in err


def test_handle_that_starts_with_a_dash_is_accepted(bodhi_command, database):
    """One in 64 begins with a hyphen."""
    assert (1, {"ended": 0}) == only_json(bodhi_command("sessions", "revoke", "--yes", "--json", "-h" + "a" * 14))


def test_sessions_of_a_user_are_cleared(bodhi_command, database):
    """Nobody else's."""
    status, out, err = bodhi_command("sessions", "clear", "--user", "ann", "--yes", BODHI_LOG_FORMAT="json")

    assert (0, "2 live sessions ended\n") == (status, out)
    assert ("cleared", 2, "the command line") == end_record_in(err)
    assert ([], 1) == (handles_of(database, "ann"), len(handles_of(database, "bob")))


def test_user_without_sessions_is_reported(bodhi_command, database):
    """A name that is no user id ends nothing, and does not look as if it had."""
    told = "no live session with the user id 'An\\x1bn'; `users list` shows the user ids\n"

    assert (1, "0 live sessions ended\n", told) == bodhi_command("sessions", "clear", "--user", "An\x1bn", "--yes")
    ended = bodhi_command("sessions", "clear", "--user", "An\x1bn", "--yes", "--json")
    assert (1, {"ended": 0}, told) == (*only_json(ended), ended[2])
    status, out, err = bodhi_command("sessions", "list", "--user", "An\x1bn")
    assert (0, 1, told) == (status, len(out.splitlines()), err)
    last = lines_of(bodhi_command("sessions", "list", "--user", "ann", "--json")[1])[-1]["cursor"]
    assert (0, "", "") == bodhi_command("sessions", "list", "--user", "ann", "--json", "--after", last)


def test_all_sessions_are_cleared(bodhi_command, database):
    """Those of nobody as well; a second run finds none, which is what was wanted."""
    assert (0, {"ended": 4}) == only_json(bodhi_command("sessions", "clear", "--all", "--yes", "--json"))
    assert (0, {"ended": 0}) == only_json(bodhi_command("sessions", "clear", "--all", "--yes", "--json"))
    assert (0, {"live": 0}) == only_json(bodhi_command("sessions", "count", "--json"))


@pytest.mark.parametrize("arguments", [[], ["--user", "ann", "--all"]])
def test_clear_requires_a_user_or_all(bodhi_command, database, arguments):
    """Nothing is cleared by leaving something out."""
    status, out, err = bodhi_command("sessions", "clear", "--yes", *arguments)

    assert (2, "", 1) == (status, out, len(err.splitlines()))
    assert 2 == len(handles_of(database, "ann"))


def test_clear_without_a_terminal_requires_confirmation_by_option(bodhi_command, database):
    """One line says what is missing."""
    for command in (["clear", "--all"], ["clear", "--user", "ann"], ["revoke", handles_of(database, "bob")[0]]):
        status, out, err = bodhi_command("sessions", *command)

        assert (2, "", 1) == (status, out, len(err.splitlines()))
        assert "--yes" in err
    assert 2 == len(handles_of(database, "ann"))


@pytest.mark.parametrize(("answer", "left", "status"), [("n\n", 2, 1), ("y\n", 0, 0)])
def test_clear_on_a_terminal_asks_for_confirmation(process_environ, sqlite_database, tmp_path, answer, left, status):
    """At a terminal; the answer no leaves everything as it is."""
    mine, theirs = pty.openpty()
    command = [sys.executable, "-m", "bodhi", "sessions", "clear", "--user", "ann"]
    os.write(mine, answer.encode())
    ended = subprocess.run(
        command,
        env=process_environ,
        cwd=tmp_path,
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    os.close(mine)
    os.close(theirs)

    assert (status, left) == (ended.returncode, len(handles_of(sqlite_database, "ann")))
    assert "End all sessions of ann?" in ended.stderr


HOSTILE = "eve\x1b[2J\nline\x9b2J\x7f\u202e\u2028"  # clears the screen in two ways, turns around what follows


def test_user_names_cannot_move_the_cursor(bodhi_command, database):
    """Users are called what a provider likes; programs get the name as it is."""

    async def add():
        async with service_on(database) as service:
            await service.create({"user_id": HOSTILE}, device=Device("192.0.2.7", HOSTILE))

    asyncio.run(add())
    for command in ("list", "dump"):
        out = bodhi_command("sessions", command)[1]
        assert "eve\\x1b[2J\\nline\\x9b2J\\x7f\\u202e\\u2028" in out
        lines = bodhi_command("sessions", command, "--json")[1]
        assert HOSTILE in [entry["user_id"] for entry in lines_of(lines)]
        assert all(character.isprintable() or character == "\n" for character in out + lines)


def test_user_names_are_printed_in_any_output_encoding(bodhi_process, sqlite_database):
    """What a terminal has no character for is no reason to end."""

    async def add():
        async with service_on(sqlite_database) as service:
            await service.create({"user_id": "J\u0142"})

    asyncio.run(add())
    for command in ("list", "dump"):
        status, out, err = bodhi_process("sessions", command, PYTHONIOENCODING="latin-1")
        assert (0, "") == (status, err)
        assert "J\\u0142" in out


@pytest.mark.parametrize("command", ["count", "list", "dump"])
def test_a_full_disk_is_one_line(process_environ, database, tmp_path, command):
    """What is told does not fit where it should go."""
    arguments = [sys.executable, "-m", "bodhi", "sessions", command]
    options = {"env": process_environ, "cwd": tmp_path, "text": True, "timeout": 300}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(arguments, check=False, stdout=full, stderr=subprocess.PIPE, **options)

    assert (1, "bodhi: error: No space left on device\n") == (ended.returncode, ended.stderr)


async def fill(url, numbers):
    """Store an undecryptable session for each of *numbers*."""
    times = {"idle_ms": 3_600_000, "longest_ms": 86_400_000, "max_age": None, "now": None}
    common = {"data": b"data", "user_id": "ann", "ip": None, "user_agent": None, **times}
    rows = [{**common, "digest": hashlib.sha256(b"%d" % number).digest()} for number in numbers]
    async with service_on(url) as service:
        for start in range(0, len(rows), 1000):
            await service.get_session_store().database.each("create_session", rows[start : start + 1000])


async def test_a_dump_takes_constant_memory(database_url, tmp_path, monkeypatch):
    """Twenty thousand sessions take what two thousand do."""
    peaks = []
    for numbers in (range(2_000), range(2_000, 20_000)):
        await fill(database_url, numbers)
        async with service_on(database_url) as service:
            await measured(service, tmp_path, monkeypatch)  # what is loaded once is loaded
            peaks.append(await measured(service, tmp_path, monkeypatch))

    assert peaks[1] < 1.5 * peaks[0] + 200_000


async def measured(service, tmp_path, monkeypatch):
    """Return the peak memory of a dump in bytes."""
    with (tmp_path / "dumped").open("w") as file:
        monkeypatch.setattr("sys.stdout", file)
        tracemalloc.start()
        await _dump(service, as_json=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_dump_prints_before_it_has_read_everything(process_environ, database_url, tmp_path):
    """The first line is there while the process waits for the rest to be read."""
    process_environ["BODHI_SESSION_DB_URL"] = database_url
    asyncio.run(fill(database_url, range(5_000)))
    command = [sys.executable, "-m", "bodhi", "sessions", "dump", "--json"]
    with subprocess.Popen(command, env=process_environ, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        first = json.loads(process.stdout.readline())
        # 5,000 lines do not fit into a pipe: who has not been read to the end cannot have ended.
        assert (None, "ann") == (process.poll(), first["user_id"])
        rest = process.stdout.readlines()
    assert (0, 5_000) == (process.returncode, 1 + len(rest))


def only_json(ended):
    """Return exit status and stdout."""
    return ended[0], json.loads(ended[1])


def end_record_in(err):
    """Return reason, number and author of the single record about ended sessions."""
    (record,) = [one for one in lines_of(err) if one.get("event") == "sessions_ended"]
    return record["reason"], record["ended"], record["by"]
