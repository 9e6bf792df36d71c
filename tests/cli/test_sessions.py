import asyncio
import base64
import json
import os
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aiohttp_session
import pytest
from aiohttp import web

import bodhi
from bodhi.cli import main
from bodhi.cli.output import Progress
from bodhi.database import Schema, open_database
from bodhi.session import DefaultSessionService, setup
from support.command_line import own_logging

OLD, NEW = "an-old-key-of-at-least-thirty-two-characters", "a-new-key-of-at-least-thirty-two-characters"
PROFILES = 40


@pytest.fixture
def environ(tmp_path):
    """Settings with two encryption keys."""
    return {"BODHI_HOME": str(tmp_path / "bodhi"), "BODHI_ENCRYPTION_KEY": f"{NEW},{OLD}"}


@pytest.fixture
def filled_url(database_url, environ):
    """The URL of a database with three live sessions under the old key and two expired ones."""

    async def fill():
        for sessions, clock in ((3, lambda: None), (2, lambda: 1_000_000_000_000)):
            async with service_on(database_url, OLD, clock=clock) as service:
                for number in range(sessions):
                    await service.create({"number": number})

    asyncio.run(fill())
    environ["BODHI_SESSION_DB_URL"] = database_url
    return database_url


@pytest.fixture
def run(environ, monkeypatch, capsys):
    """Runs ``bodhi sessions`` in this process: exit status, stdout and stderr."""

    def run(*arguments):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        with own_logging():
            status = main(["sessions", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def service_on(url, *keys, **options):
    """A service to be entered."""
    return DefaultSessionService.from_url(url, keys=keys, sweep_seconds=None, **options)


@pytest.mark.usefixtures("filled_url")
def test_count_prints_the_number_of_live_sessions(run):
    """Expired ones do not count, swept or not."""
    assert (0, "3 live sessions\n", "") == run("count")
    assert {"live": 3} == json.loads(run("count", "--json")[1])


@pytest.mark.usefixtures("filled_url")
def test_sweep_deletes_what_has_expired(run, bodhi_command, environ):
    """And nothing else; the log tells of it."""
    status, out, err = bodhi_command("sessions", "sweep", **environ)
    assert (0, "2 expired sessions deleted\n") == (status, out)
    assert "sessions ended reason=expired ended=2" in err
    assert {"swept": 0} == json.loads(bodhi_command("sessions", "sweep", "--json", **environ)[1])
    assert {"live": 3} == json.loads(run("count", "--json")[1])


@pytest.mark.usefixtures("filled_url")
def test_rekey_re_encrypts_what_an_old_key_encrypted(run):
    """Once; a second run finds nothing to do."""
    assert (0, "3 re-encrypted / 3 seen\n", "") == run("rekey")
    assert {"re-encrypted": 0, "seen": 3, "kept": 0} == json.loads(run("rekey", "--json")[1])


def test_rekey_reports_sessions_that_no_key_decrypts(bodhi_command, filled_url, environ):
    """Its sum is not that of a run that found nothing to do: with another key they would be opened."""

    async def create():
        async with service_on(filled_url, NEW) as service:
            await service.create({"number": 3})

    asyncio.run(create())
    environ["BODHI_ENCRYPTION_KEY"] = NEW

    status, out, err = bodhi_command("sessions", "rekey", **environ)
    assert (1, "0 re-encrypted / 4 seen / 3 kept: no key decrypts them\n", 3) == (
        status,
        out,
        err.count("session not re-encrypted"),
    )
    status, out, _ = bodhi_command("sessions", "rekey", "--json", **environ)
    assert (1, {"re-encrypted": 0, "seen": 4, "kept": 3}) == (status, json.loads(out))


@pytest.fixture
def upgraded_url(database_url, environ):
    """The URL of a migrated database of version 0.1.0 with two sessions."""

    async def fill():
        async with open_database(database_url) as database:
            schema = Schema(database, "session")
            del schema.migrations[2:]
            await schema.migrate()
        async with service_on(database_url, NEW) as service:
            for number in range(2):
                await service.create({"number": number})

    asyncio.run(fill())
    environ["BODHI_SESSION_DB_URL"] = database_url
    return database_url


@pytest.mark.usefixtures("upgraded_url")
def test_rekey_leaves_the_format_that_older_nodes_read(run):
    """Until it is told that there are none any more."""
    assert (0, "0 re-encrypted / 2 seen\n", "") == run("rekey")

    status, out, err = run("rekey", "--newest-format")

    assert (0, "2 re-encrypted / 2 seen\n") == (status, out)
    assert "sessions are written in the newest format from now on\n" == err
    assert (0, "0 re-encrypted / 2 seen\n", "") == run("rekey", "--newest-format")


@pytest.mark.usefixtures("filled_url")
def test_a_new_database_has_the_newest_format_already(run):
    """There is nothing to switch; older keys are replaced as without the option."""
    assert (0, "3 re-encrypted / 3 seen\n", "") == run("rekey", "--newest-format")


@pytest.mark.usefixtures("filled_url")
def test_rekey_reports_progress_on_stderr(run, monkeypatch):
    """Now and then, so that its output stays that of the result."""
    monkeypatch.setattr("bodhi.cli.output.REPORT_SECONDS", 0)
    status, out, err = run("rekey")

    assert (0, "3 re-encrypted / 3 seen\n") == (status, out)
    assert re.fullmatch(r"3 re-encrypted / 3 seen so far \(100%, \d+ a second\)\n", err)


@pytest.mark.usefixtures("filled_url")
def test_dump_reports_progress_on_stderr(run, monkeypatch):
    """How far it is says the handle, since sessions come by their digests."""
    monkeypatch.setattr("bodhi.cli.output.REPORT_SECONDS", 0)
    status, out, err = run("dump")

    handles = [line.partition(" ")[0] for line in out.splitlines()]
    shares = [base64.urlsafe_b64decode(handle)[0] / 2.56 for handle in handles]
    told = re.findall(r"^(\d) sessions so far \((\d+)%, \d+ a second\)$", err, re.MULTILINE)
    assert (0, ["1", "2", "3"]) == (status, [dumped for dumped, _ in told])
    assert [pytest.approx(share, abs=1.5) for share in shares] == [int(share) for _, share in told]


def test_progress_is_reported_at_intervals(monkeypatch, capsys):
    """Once in a second at most; without a share where nobody knows it."""
    times = iter([100.0, 100.5, 101.0, 101.9, 104.0])
    monkeypatch.setattr("bodhi.cli.output.time", SimpleNamespace(monotonic=times.__next__))
    progress = Progress(lambda read, written: f"{read} read, {written} written")

    for read in (10, 20, 30, 40):
        progress.report(read, read - 1)

    assert ("", "20 read, 19 written (20 a second)\n40 read, 39 written (10 a second)\n") == capsys.readouterr()


@pytest.mark.parametrize("command", ["count", "sweep", "rekey"])
def test_database_without_tables_is_refused(run, postgres_url, environ, command):
    """These commands change no schema."""
    environ["BODHI_SESSION_DB_URL"] = postgres_url

    status, out, err = run(command)

    assert (2, "", 1) == (status, out, len(err.splitlines()))
    assert err.startswith("bodhi: error: BODHI_SESSION_DB_URL (environment): ")
    assert "run `python -m bodhi db migrate`" in err


def test_file_that_is_not_there_is_refused(run, sqlite_url, environ, tmp_path):
    """And not made."""
    environ["BODHI_SESSION_DB_URL"] = sqlite_url

    advice = "`python -m bodhi db migrate` creates it"
    expected = f"bodhi: error: BODHI_SESSION_DB_URL (environment): {sqlite_url} does not exist; {advice}\n"
    assert (2, "", expected) == run("count")
    assert not (tmp_path / "session.sqlite").exists()


@asynccontextmanager
async def people_with_sessions(aiohttp_client, url):
    """Clients of an application with both keys, logged in under the old one."""

    async def visit(request):
        session = await aiohttp_session.get_session(request)
        if request.method == "POST":
            session["visits"] = session.get("visits", 0) + 1
        return web.json_response({"name": session.get("user_id"), "visits": session.get("visits", 0)})

    async with service_on(url, NEW, OLD) as service, service_on(url, OLD) as before:
        app = web.Application()
        setup(app, service)
        app.router.add_route("*", "/", visit)
        client = await aiohttp_client(app)
        cookies = {}
        for number in range(PROFILES):
            name = f"person {number}"
            cookies[name], _ = await before.create({"user_id": name})
        yield client, service, cookies


async def test_nobody_is_logged_out_while_keys_are_rotated(aiohttp_client, environ, database_url, tmp_path):
    """Requests read and write all the time; afterwards the old key is not needed any more."""
    async with people_with_sessions(aiohttp_client, database_url) as (client, service, cookies):

        async def ask(name, method):
            cookie = {"Cookie": f"{service.cookie.full_name}={cookies[name]}"}
            async with client.request(method, "/", headers=cookie) as response:
                assert 200 == response.status
                return await response.json()

        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
        command = [sys.executable, "-m", "bodhi", "sessions", "rekey", "--json"]
        rekey = await asyncio.create_subprocess_exec(
            *command,
            env={
                **inherited,
                **environ,
                "BODHI_SESSION_DB_URL": database_url,
                "PYTHONPATH": str(Path(bodhi.__file__).parents[1]),
            },
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        written = dict.fromkeys(cookies, 0)
        while rekey.returncode is None:
            # Half of them write, so that the command meets rows that are younger than what it has read.
            for name in list(cookies)[::2]:
                written[name] += 1
                assert {"name": name, "visits": written[name]} == await ask(name, "POST")
            assert [{"name": name, "visits": 0} for name in list(cookies)[1::2]] == await asyncio.gather(
                *(ask(name, "GET") for name in list(cookies)[1::2])
            )
        out, _ = await rekey.communicate()
        assert (0, PROFILES) == (rekey.returncode, json.loads(out)["seen"])

    async with service_on(database_url, NEW) as without_the_old_key:
        for name, cookie in cookies.items():
            session = await without_the_old_key.load(cookie)
            assert {"user_id": name, **({"visits": written[name]} if written[name] else {})} == session.data
