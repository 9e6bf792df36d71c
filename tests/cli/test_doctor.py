"""The findings of ``bodhi doctor``."""

import asyncio
import json
import re
import sqlite3
import time
from collections import Counter

import pytest

from bodhi.cli import checks
from bodhi.database import Schema, open_database
from bodhi.session import DefaultSessionService
from cli.conftest import KEY

OTHER_KEY = "another-key-for-tests-of-at-least-thirty-two-characters"


@pytest.fixture
def ready(database_url, process_environ):
    """Up-to-date databases with a session under each of two keys."""
    process_environ["BODHI_SESSION_DB_URL"] = process_environ["BODHI_DATABASE_URL"] = database_url

    async def fill():
        async with open_database(database_url) as database:
            await Schema(database, "application").migrate()
        for key in (KEY, OTHER_KEY):
            async with DefaultSessionService.from_url(database_url, keys=[key], sweep_seconds=None) as service:
                await service.create({"user_id": "ann"})

    asyncio.run(fill())
    process_environ["BODHI_ENCRYPTION_KEY"] = f"{KEY},{OTHER_KEY}"
    return database_url


def examined(ended):
    """Return the exit status and the findings by check: worst state, messages and advice."""
    status, out, _ = ended
    found = {}
    for finding in json.loads(out):
        state, text = found.get(finding["check"], ("ok", ""))
        worst = max(state, finding["state"], key=["ok", "warning", "fault"].index)
        found[finding["check"]] = worst, f"{text}{finding['message']} {finding['advice']}\n"
    return status, found


def test_a_healthy_server_has_no_fault(bodhi_command, ready, database_url):
    """What is left to do is a warning."""
    status, found = examined(bodhi_command("doctor", "--json"))

    assert 0 == status
    for check in ("settings", "files", "session database", "application database"):
        assert "ok" == found[check][0], found[check]
    assert "1 of 2 sessions is encrypted with an older key" in found["keys"][1]
    assert "sessions rekey" in found["keys"][1]
    assert ("warning", True) == (found["identity provider"][0], "BODHI_AUTH_ISSUER" in found["identity provider"][1])
    assert "python -m bodhi --set BODHI_DEV=true doctor" in found["identity provider"][1]


def test_development_provider_counts_as_a_provider(bodhi_command):
    """With it people can log in, though no issuer is set; one that is set is not used, and not asked."""
    for more in ({}, {"BODHI_AUTH_ISSUER": "http://127.0.0.1:9"}):
        status, found = examined(bodhi_command("--set", "BODHI_DEV=true", "doctor", "--json", **more))

        assert (0, "ok") == (status, found["identity provider"][0])
        assert "development provider" in found["identity provider"][1]


def test_misspelt_settings_are_reported_with_the_faults(bodhi_command, tmp_path):
    """They may be the reason: what should have been set was not."""
    (tmp_path / ".env").write_text("BODHI_ENCRYPTION_KEYS=1\n")

    status, out, _ = bodhi_command("doctor", BODHI_DEPLOYMENT="cluster", BODHI_SESION_DB_URL="postgres://db/bodhi")

    lines = out.splitlines()
    assert 1 == status
    [place] = [number for number, line in enumerate(lines) if "BODHI_SESSION_DB_URL (default)" in line]
    assert ("fault", "-> set it") == (lines[place].split()[0], lines[place + 1].strip())
    warnings = [line for line in lines if line.startswith("warning") and "did you mean" in line]
    assert ["BODHI_SESSION_DB_URL?", "BODHI_ENCRYPTION_KEY?"] == [line.split()[-1] for line in warnings]


def test_unreachable_issuer_is_reported_with_the_cause(bodhi_command):
    """So that nobody has to find it out."""
    status, found = examined(bodhi_command("doctor", "--json", BODHI_AUTH_ISSUER="http://localhost:1"))

    assert (1, "fault") == (status, found["identity provider"][0])
    assert (
        "BODHI_AUTH_ISSUER: the identity provider cannot be reached: connection refused "
        "(http://localhost:1/.well-known/openid-configuration)"
    ) in found["identity provider"][1]


def test_text_output_has_a_line_per_finding(bodhi_command, ready):
    """State, check, what was found; and under it what to do."""
    status, out, err = bodhi_command("doctor")

    assert (0, "") == (status, err)
    assert out.startswith("ok       settings              all are valid; BODHI_DEPLOYMENT is standalone\n")
    assert "\n                               -> set BODHI_AUTH_ISSUER" in out


def test_missing_encryption_key_is_a_fault(bodhi_command, ready):
    """With the way to bring it back."""
    status, found = examined(bodhi_command("doctor", "--json", BODHI_ENCRYPTION_KEY=KEY))

    assert (1, "fault") == (status, found["keys"][0])
    assert "1 of 2 sessions is encrypted with a key that is not configured" in found["keys"][1]


@pytest.mark.parametrize(
    ("found", "messages"),
    [
        ({}, ["there are no sessions to check"]),
        ({"newest": 1}, ["the newest key decrypts the one session that was checked"]),
        ({"newest": 2}, ["the newest key decrypts all 2 sessions that were checked"]),
        ({"newest": 1, "older_format": 1}, ["the newest key decrypts all 2 sessions that were checked"]),
        ({"unknown": 1}, ["1 of 1 session is encrypted with a key that is not configured"]),
        ({"newest": 1, "damaged": 2}, ["2 of 3 sessions are damaged"]),
        (
            {"damaged": 1, "older": 2},
            ["1 of 3 sessions is damaged", "2 of 3 sessions are encrypted with an older key"],
        ),
    ],
)
def test_key_counts_use_singular_and_plural(found, messages):
    """None, one or several."""
    assert messages == [finding.message for finding in checks._sampled(Counter(found))]


def test_older_data_format_is_a_warning(bodhi_command, ready, database_url):
    """First that older nodes can still read what is written, then that some sessions have an old format."""

    async def write(written):
        async with open_database(database_url) as database:
            await database.script(f"UPDATE bodhi_session_format SET written = {written}")

    async def create():
        async with DefaultSessionService.from_url(database_url, keys=[KEY], sweep_seconds=None) as service:
            await service.create({"user_id": "ann"})

    assert "format" not in examined(bodhi_command("doctor", "--json"))[1]["keys"][1]
    asyncio.run(write(1))
    asyncio.run(create())
    status, found = examined(bodhi_command("doctor", "--json"))
    assert (0, "warning") == (status, found["keys"][0])
    assert "the format of version 0.1.0" in found["keys"][1]
    assert "`python -m bodhi sessions rekey --newest-format`" in found["keys"][1]

    asyncio.run(write(2))
    status, found = examined(bodhi_command("doctor", "--json"))
    assert (0, "warning") == (status, found["keys"][0])
    assert "1 of 3 sessions that were checked have an older format" in found["keys"][1]
    assert 0 == bodhi_command("sessions", "rekey")[0]
    assert "format" not in examined(bodhi_command("doctor", "--json"))[1]["keys"][1]


async def test_keys_are_named_by_their_ids_in_the_log(bodhi_command, ready, database_url, caplog):
    """Newest first, so that the one that is missed can be told from those that are there."""
    async with DefaultSessionService.from_url(database_url, keys=[KEY], sweep_seconds=None) as service:
        session_id, _ = await service.create({})
    async with DefaultSessionService.from_url(database_url, keys=[OTHER_KEY], sweep_seconds=None) as service:
        assert await service.load(session_id) is None
    [missed] = re.findall(r"the key ([0-9a-f]{8}), which is not configured", caplog.text)

    _, both = examined(bodhi_command("doctor", "--json"))
    _, other = examined(bodhi_command("doctor", "--json", BODHI_ENCRYPTION_KEY=OTHER_KEY))

    [newest, older] = re.search(r"newest first: (\w{8}), (\w{8}) ", both["keys"][1]).groups()
    assert missed == newest
    assert f"newest first: {older} " in other["keys"][1]
    assert KEY not in str(both)


def test_a_database_that_was_restored_in_parts_is_a_fault(bodhi_command, ready, database_url):
    """Whatever is missing; the keys are not to blame."""

    async def damage():
        async with open_database(database_url) as database:
            await database.script("ALTER TABLE bodhi_session RENAME TO elsewhere")

    asyncio.run(damage())

    status, found = examined(bodhi_command("doctor", "--json"))

    assert (1, "fault") == (status, found["keys"][0])
    assert "no session could be checked: " in found["keys"][1]
    assert "restore the whole database" in found["keys"][1]


def test_wrong_settings_are_faults(bodhi_command):
    """All of them, and nothing else is looked at."""
    status, found = examined(bodhi_command("doctor", "--json", BODHI_PORT="x", BODHI_WORKERS="0"))

    assert (1, {"settings"}) == (status, set(found))
    assert "BODHI_PORT (environment)" in found["settings"][1]
    assert "BODHI_WORKERS (environment)" in found["settings"][1]


def test_new_server_without_databases_has_no_fault(bodhi_command, process_environ, tmp_path):
    """That is no fault, and nothing is made."""
    del process_environ["BODHI_ENCRYPTION_KEY"]

    status, found = examined(bodhi_command("doctor", "--json"))

    assert (0, "warning") == (status, found["session database"][0])
    assert "does not exist" in found["session database"][1]
    assert not (tmp_path / "bodhi").exists()


def test_outdated_schema_without_auto_migrate_is_a_fault(bodhi_command, postgres_url):
    """With the command that does."""
    environ = {"BODHI_SESSION_DB_URL": postgres_url, "BODHI_DATABASE_URL": postgres_url}

    assert "warning" == examined(bodhi_command("doctor", "--json", **environ))[1]["session database"][0]
    status, found = examined(bodhi_command("doctor", "--json", **environ, BODHI_DB_AUTO_MIGRATE="false"))
    assert (1, "fault") == (status, found["session database"][0])
    assert "python -m bodhi db migrate" in found["session database"][1]


def test_a_database_that_does_not_answer_is_a_fault(bodhi_command):
    """Without its password."""
    url = "postgresql://ann:secret@127.0.0.1:9/bodhi"

    status, found = examined(bodhi_command("doctor", "--json", BODHI_SESSION_DB_URL=url, BODHI_DB_TIMEOUT="1"))

    assert (1, "fault") == (status, found["session database"][0])
    assert "secret" not in str(found)


def test_a_newer_schema_is_a_fault(bodhi_command, sqlite_url, process_environ):
    """Nothing migrates back."""
    process_environ["BODHI_SESSION_DB_URL"] = sqlite_url
    assert 0 == bodhi_command("db", "migrate")[0]
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:"))
    connection.execute("INSERT INTO bodhi_schema VALUES ('session', 9999, 'later', 0)")
    connection.commit()
    connection.close()

    status, found = examined(bodhi_command("doctor", "--json"))

    assert (1, "fault") == (status, found["session database"][0])
    assert "created by a newer version of bodhi" in found["session database"][1]


def test_files_that_others_can_read_are_faults(bodhi_command, tmp_path):
    """With the command that closes them."""
    home = tmp_path / "bodhi"
    home.mkdir(mode=0o755)
    (home / "encryption.key").write_text(KEY)
    (home / "encryption.key").chmod(0o644)
    (home / "session.sqlite").touch(0o640)

    status, found = examined(bodhi_command("doctor", "--json"))

    assert (1, "fault") == (status, found["files"][0])
    for command in (f"chmod 700 {home}", f"chmod 600 {home}/encryption.key", f"chmod 600 {home}/session.sqlite"):
        assert command in found["files"][1]


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o400, "ok"), (0o640, "warning"), (0o644, "warning")])
@pytest.mark.parametrize("name", [".env", "client secret"])
def test_secrets_that_others_can_read_are_warnings(bodhi_command, process_environ, tmp_path, name, mode, state):
    """In the working directory, and where a setting says."""
    (tmp_path / "bodhi").mkdir(mode=0o700)
    file = tmp_path / name
    file.write_text("BODHI_CLIENT_SECRET=s3cret\n" if name == ".env" else "s3cret\n")
    file.chmod(mode)
    if name != ".env":
        process_environ["BODHI_CLIENT_SECRET_FILE"] = name

    status, found = examined(bodhi_command("doctor", "--json"))

    assert (0, state) == (status, found["files"][0])
    assert (state == "warning") == (f"{file} is accessible to other users" in found["files"][1])
    assert (state == "warning") == (f"chmod 600 {file}" in found["files"][1])
    assert "s3cret" not in str(found)


def test_files_in_a_closed_folder_are_closed(bodhi_command, process_environ, tmp_path):
    """Nobody else can enter the home folder."""
    (tmp_path / "bodhi").mkdir(mode=0o700)
    (tmp_path / "bodhi" / "settings.yaml").write_text("BODHI_CLIENT_SECRET: s3cret\n")
    (tmp_path / "bodhi" / "settings.yaml").chmod(0o644)

    assert "ok" == examined(bodhi_command("doctor", "--json"))[1]["files"][0]


def test_a_file_without_a_setting_in_use_is_not_checked(bodhi_command, process_environ, tmp_path):
    """An .env that others may read is no risk if another program reads it."""
    (tmp_path / "bodhi").mkdir(mode=0o700)
    (tmp_path / ".env").write_text("OTHER=1\n")
    (tmp_path / ".env").chmod(0o644)

    assert "ok" == examined(bodhi_command("doctor", "--json"))[1]["files"][0]


def test_a_mounted_secret_of_another_user_is_not_reported(bodhi_command, process_environ, tmp_path, monkeypatch):
    """With mode 600 the server could not read it."""
    (tmp_path / "bodhi").mkdir(mode=0o700)
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "secret").chmod(0o444)
    process_environ["BODHI_CLIENT_SECRET_FILE"] = "secret"
    monkeypatch.setattr("os.getuid", lambda: (tmp_path / "secret").stat().st_uid + 1)

    assert "ok" == examined(bodhi_command("doctor", "--json"))[1]["files"][0]


@pytest.mark.parametrize(("apart", "state"), [(0, "ok"), (-5, "warning"), (5, "warning"), (60, "fault")])
async def test_clocks_are_compared(database_url, monkeypatch, apart, state):
    """Those of the database and of this machine."""
    now = time.time
    async with open_database(database_url) as database:
        monkeypatch.setattr(time, "time", lambda: now() + apart)
        finding = await checks._clock("session database", database)

    assert state == finding.state, finding


@pytest.mark.parametrize("there", [None, "BODHI_SESSION_DB_URL", "BODHI_DATABASE_URL"])
def test_first_start_creates_the_key_file(bodhi_command, process_environ, tmp_path, there):
    """Where there is a database already, the file may have been lost: a new one decrypts no session."""
    del process_environ["BODHI_ENCRYPTION_KEY"]
    urls = {name: f"sqlite:{tmp_path / name}" for name in ("BODHI_SESSION_DB_URL", "BODHI_DATABASE_URL")}
    if there is not None:
        (tmp_path / there).touch(0o600)

    _, found = examined(bodhi_command("doctor", "--json", **urls))

    state, text = found["keys"]
    assert ("warning", there is None) == (state, "the server creates the key file at its first start" in text)
    assert (there is not None) == ("restore the key file if there was one" in text)
