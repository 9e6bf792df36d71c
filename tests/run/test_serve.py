import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from bodhi.settings import mask_url

SECRET_KEY = "correct-horse-battery-staple-and-more-of-it"


def get(url):
    """Return status and JSON of a response."""
    with urllib.request.urlopen(url, timeout=300) as response:
        return response.status, json.load(response)


def test_ready_line_names_the_address(serve, database_url):
    """URL, deployment and database with the password masked; and then it answers."""
    server = serve(BODHI_SESSION_DB_URL=database_url)

    masked = mask_url(database_url)
    assert f"bodhi is ready on {server.url} (standalone, sessions in {masked})\n" == server.ready_line
    assert "bodhi_test:kx7-password@" not in server.ready_line
    assert (200, {"message": "pong"}) == get(f"{server.url}/health")
    assert 0 == server.stop()
    assert b"" == server.rest_of_stdout()


def test_default_is_sqlite_in_the_home_folder(serve, tmp_path):
    """Nothing has to be set."""
    server = serve()

    assert f"sqlite:{tmp_path}/bodhi/session.sqlite" in server.ready_line
    assert (tmp_path / "bodhi" / "session.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_with_status_0(serve, number):
    """Also with an idle connection open that is kept alive, and one that never asked for anything."""
    server = serve()
    with (
        socket.create_connection(("127.0.0.1", server.port)) as kept,
        socket.create_connection(("127.0.0.1", server.port)) as silent,
    ):
        kept.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(4096).startswith(b"HTTP/1.1 200 ")

        assert 0 == server.stop(number)
        assert (b"", b"") == (kept.recv(1), silent.recv(1))


def test_options_take_precedence_over_the_environment(serve):
    """Those of the command itself."""
    server = serve(
        *("--host", "localhost", "--log-level", "debug", "--log-format", "json"),
        BODHI_LOG_FORMAT="text",
        BODHI_LOG_LEVL="info",
    )

    assert server.url.startswith("http://localhost:")
    get(f"{server.url}/ping")
    server.stop()
    messages = [json.loads(line)["message"] for line in server.stderr.splitlines()]
    assert "BODHI_LOG_LEVL (environment): no such setting; did you mean BODHI_LOG_LEVEL?" == messages[0]
    assert messages[1].startswith("key file created: ")
    assert ["created the session tables", "created the application tables"] == [
        message.partition(" in ")[0] for message in messages[2:4]
    ]
    assert '"GET /ping" 200' in messages[4]


def test_misspelt_settings_are_reported_with_the_errors(launch, tmp_path):
    """Wherever they stand: they may be the reason."""
    (tmp_path / ".env").write_text("BODHI_SESION_DB_URL=1\n")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "settings.yaml").write_text("BODHI_ENCRYPTION_KEYS: x\n")
    server = launch(BODHI_HOME=str(tmp_path / "ours"), BODHI_DEPLOYMENT="cluster", BODHI_LOG_LEVL="debug")

    assert 2 == server.popen.wait(300)
    lines = server.stderr.splitlines()
    warnings = [line.removeprefix("bodhi: warning: ") for line in lines if "did you mean" in line]
    assert ["BODHI_LOG_LEVEL?", "BODHI_SESSION_DB_URL?", "BODHI_ENCRYPTION_KEY?"] == [
        warning.split()[-1] for warning in warnings
    ]
    assert 2 == len([line for line in lines if line.startswith("bodhi: error: ")])


def test_log_is_text_or_json(serve):
    """A line for each request, with its id, on stderr."""
    request = {"X-Request-ID": "0123456789abcdef"}
    text, as_json = serve(), serve(BODHI_LOG_FORMAT="json")
    for server in (text, as_json):
        urllib.request.urlopen(urllib.request.Request(f"{server.url}/ping?code=1", headers=request)).close()
        server.stop()

    [line] = [line for line in text.stderr.splitlines() if "bodhi.access" in line]
    assert re.fullmatch(
        r"[0-9T:.-]+Z INFO bodhi\.access \[0123456789abcdef\] 127\.0\.0\.1 \"GET /ping\" 200 \d+ bytes \d+\.\d ms", line
    )
    [entry] = [entry for entry in map(json.loads, as_json.stderr.splitlines()) if entry["logger"] == "bodhi.access"]
    assert ("/ping", 200, "0123456789abcdef") == (entry["path"], entry["status"], entry["request_id"])


def test_log_holds_no_secret(serve, postgres_url):
    """At the finest level, with everything that can go wrong: not the key, the password or a cookie."""
    server = serve(
        BODHI_SESSION_DB_URL=postgres_url.replace("bodhi_test:kx7-password@", "bodhi_test:kx7-password@"),
        BODHI_ENCRYPTION_KEY=SECRET_KEY,
        BODHI_LOG_LEVEL="debug",
    )
    cookie = "A" * 43
    requests = [
        f"GET /health?token={cookie} HTTP/1.1\r\nHost: localhost\r\nCookie: bodhiapp_session_id={cookie}\r\n\r\n",
        f"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {cookie}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: bodhiapp_session_id={cookie}\0\r\n\r\n",
        f"{cookie} / HTTP/1.1\r\n\r\n",
        f"GET http://user:{cookie}@[::1/ HTTP/1.1\r\n\r\n",
    ]
    for request in requests:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(request.encode())
            assert client.recv(4096).startswith(b"HTTP/1.")
    server.stop()

    log = server.stderr
    assert 5 == log.count("bodhi.access")
    assert not [secret for secret in (SECRET_KEY, cookie, ":kx7-password@") if secret in log]
    assert "Traceback" not in log


@pytest.fixture
def run_program(environ, tmp_path):
    """Run a Python program with arguments and settings in a process, and return what it prints."""

    def run_program(program, *arguments, **settings):
        result = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**environ, **settings},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        return result.stdout

    return run_program


@pytest.fixture
def imported(run_program):
    """Return which of *modules* a server with these settings imports before it serves."""

    def imported(*modules, **settings):
        program = (
            "import sys; from bodhi import cli, run; from bodhi.server.app import create_app; import bodhi.cli.serve\n"
            "from bodhi.settings import load_settings; create_app(load_settings())\n"
            "print([name for name in sys.argv[1:] if name in sys.modules])"
        )
        return run_program(program, *modules, **settings)

    return imported


def test_start_imports_no_more_than_it_needs(imported):
    """The first answer comes soon: on SQLite nothing of PostgreSQL, of workers or of tables for people is loaded."""
    unneeded = ["asyncpg", "yaml", "rich", "multiprocessing.context", "importlib.metadata", "hypothesis"]

    assert "['aiosqlite']\n" == imported(*unneeded, "aiosqlite")


def test_start_imports_nothing_that_only_logins_need(imported):
    """Also with a provider: signatures are checked, and pages shown, when somebody comes."""
    unneeded = ["joserfc", "cryptography.x509", "jinja2", "bodhi.testing"]
    settings = {
        "BODHI_AUTH_ISSUER": "https://login.example.org",
        "BODHI_CLIENT_ID": "bodhi",
        "BODHI_CLIENT_SECRET": "the-secret-of-the-client",
    }

    assert "['bodhi.oidc.client']\n" == imported(*unneeded, "bodhi.oidc.client", **settings)


def test_garbage_collector_skips_modules_while_serving(run_program):
    """They are set aside for good: neither the start nor any later collection goes through them."""
    program = (
        "import gc, sys; from bodhi import run; from bodhi.cli import main\n"
        "run.serve = lambda *_: print(gc.isenabled(), gc.get_freeze_count() > 10_000)\n"
        "sys.exit(main(['serve']))"
    )

    assert "True True\n" == run_program(program)


def test_garbage_of_requests_is_looked_for_seldom(run_program):
    """Each search goes through all requests in flight; what was there before them is set aside."""
    program = (
        "import gc, os, signal, sys; from bodhi.cli import main; from bodhi.run import process\n"
        "settle_heap = process.settle_heap\n"
        "def settle_and_end():\n"
        "    settle_heap()\n"
        "    print(gc.get_threshold()[0] >= 5_000, gc.get_freeze_count() > 10_000, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "process.settle_heap = settle_and_end\n"
        "sys.exit(main(['serve']))"
    )

    assert "True True" in run_program(program, BODHI_PORT="0").splitlines()
