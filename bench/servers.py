"""Start temporary PostgreSQL and Redis servers for a run."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.environment import Unavailable

_START_SECONDS = 30
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@contextmanager
def postgres(folder: Path, *, settings: Mapping[str, str]) -> Iterator[str]:
    """Run a durable PostgreSQL server and return its URL; raise :exc:`Unavailable`. Other *settings* are defaults."""
    programs = postgres_programs()
    if programs is None:
        raise Unavailable("PostgreSQL: apt-get install postgresql")
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses root
    home = folder / "postgres"
    home.mkdir()
    if user:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    data, port = home / "data", free_port()
    options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", **_DURABLE, **settings}

    def run(program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [programs / program, "-D", data, *arguments],
            check=False, stdin=subprocess.DEVNULL, capture_output=program == "initdb", text=True,
            cwd="/", user=user, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        if done.returncode:
            log = home / "log"
            raise RuntimeError(f"{program} failed: {done.stderr or (log.read_text() if log.exists() else '')}")

    # Without passwords: SCRAM takes 33 million instructions, so that a connection which happens to be opened while
    # requests are counted would weigh as much as a hundred of them.
    run("initdb", "-U", "bench", "--auth=trust", "--encoding=UTF8")
    arguments = " ".join(f"-c {name}={value or chr(39) * 2}" for name, value in options.items())
    run("pg_ctl", "start", "--wait", "--silent", "-t", str(_START_SECONDS), "-l", home / "log", "-o", arguments)
    try:
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "--wait", "--silent", "-m", "immediate")


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run an in-memory Redis server and return its URL; raise :exc:`Unavailable`."""
    program = shutil.which("redis-server")
    if program is None:
        raise Unavailable("Redis: apt-get install redis-server")
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    server = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, server)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    """Return a free TCP port on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def postgres_programs() -> Path | None:
    """Return the program folder of the newest PostgreSQL, or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if (pg_config := shutil.which("pg_config")) is not None:
        bindir = subprocess.run([pg_config, "--bindir"], check=True, capture_output=True, text=True)
        folders.insert(0, Path(bindir.stdout.strip()))
    for folder in reversed(folders):
        if all((folder / program).exists() for program in ("postgres", "initdb", "pg_ctl")):
            return folder
    return None


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{server.args!r} did not start")
