"""A PostgreSQL server that tests start, stop, kill and promote."""

import atexit
import base64
import functools
import hashlib
import hmac
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil

from support.binaries import runnable_binaries, runnable_clients
from support.ports import free_port
from support.supervisor import Supervisor

USER = "bodhi_test"
PARTITIONS_VARIABLE = "BODHI_TEST_PARTITIONS"  # of the session table in every database of the tests
PASSWORD = "kx7-password"  # unlike every name, so that it is found wherever it is logged

_SETTINGS = {
    # Nothing has to survive a power cut. What is committed survives the death of every process all the same.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    # A server in memory stays small; on a disk, a new log file is written once rather than twice.
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "wal_init_zero": "off",
    "wal_recycle": "off",
    "log_min_messages": "warning",
    # A standby whose primary went away asks again after this long; a promotion waits for that.
    "wal_retrieve_retry_interval": "100ms",
}
_HOST_RULES = "host all all 127.0.0.1/32 password\nhost replication all 127.0.0.1/32 password\n"
_STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def partitions_setting() -> dict[str, str]:
    """Return PostgreSQL's setting for the partitions that the tests were started with, if any."""
    partitions = os.environ.get(PARTITIONS_VARIABLE)
    return {"bodhi.session_partitions": partitions} if partitions else {}


class PostgresServer:
    """A server with its own data folder and port, which survive :meth:`stop` and :meth:`restart`.

    The methods block (half a second at most, as a rule): in a coroutine that shares its loop with an application
    under test, call them as ``await asyncio.to_thread(server.stop)``.
    """

    def __init__(self, supervisor: Supervisor, binaries: Path, data_dir: Path, settings: Mapping[str, str]) -> None:
        self._supervisor = supervisor
        self.binaries = binaries
        self.data_dir = data_dir
        self.settings = {**_SETTINGS, **partitions_setting(), **settings}
        self.port = free_port()

    @classmethod
    def start(
        cls,
        data_dir: Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        standby_of: "PostgresServer | None" = None,
    ) -> Self:
        """Start a server, empty or as a streaming standby of another one.

        *data_dir* (absent or empty) is for data that must lie at a certain place, such as a small file system; left
        out, the data goes away with the server. *settings* are PostgreSQL's own, by name.
        """
        binaries = runnable_binaries()
        supervisor = Supervisor("postgres", last_signal="QUIT")
        try:
            server = cls(supervisor, binaries, data_dir or supervisor.folder / "data", settings or {})
            if data_dir is not None:
                data_dir.mkdir(exist_ok=True)
                data_dir.chmod(0o700)
                supervisor.own(data_dir)
            supervisor.write("pg_hba.conf", _HOST_RULES)
            if standby_of is None:
                server._create()
            else:
                server._copy(standby_of)
            server._launch_on_a_free_port()
        except BaseException:
            supervisor.close()
            raise
        return server

    def url(self, database: str = "postgres") -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    @property
    def is_running(self) -> bool:
        """Whether the server's main process runs."""
        return self._supervisor.is_alive

    @property
    def log(self) -> str:
        """The last lines of the server's log."""
        return self._supervisor.log

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server like `pg_ctl stop -m`; its data stays."""
        os.kill(self._pid, _STOP_SIGNALS[mode])
        self._supervisor.wait()

    def kill(self) -> None:
        """Kill all processes of the server with SIGKILL, like a machine failure; its data stays."""
        main = psutil.Process(self._pid)
        main.suspend()  # no new children while they are listed
        processes = (*main.children(recursive=True), main)
        for process in processes:
            process.kill()
        self._supervisor.wait()
        while not all(map(_has_ended, processes)):  # until then they hold the shared memory, and no server can start
            time.sleep(0.01)

    def restart(self) -> None:
        """Restart the server on its port."""
        if self._supervisor.pid is not None:
            self.stop()
        self._launch()

    def promote(self) -> None:
        """Promote a standby; return when it accepts writes."""
        self._supervisor.run(self.binaries / "pg_ctl", "promote", "--wait", "-D", self.data_dir)

    def close(self) -> None:
        """Stop the server and remove its files."""
        self._supervisor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _pid(self) -> int:
        if self._supervisor.pid is None:
            raise RuntimeError("this PostgreSQL server is not running")
        return self._supervisor.pid

    def _create(self) -> None:
        # "/." copies what is in the folder, also into one that exists.
        self._supervisor.run("cp", "-R", f"{_pristine_data(self.binaries)}/.", self.data_dir)

    def _copy(self, primary: "PostgresServer") -> None:
        options = ("--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--wal-method=stream")
        self._supervisor.run(runnable_clients() / "pg_basebackup", "-d", primary.url(), "-D", self.data_dir, *options)

    def _launch_on_a_free_port(self) -> None:
        """Launch; on another port if the selected one was taken meanwhile."""
        for _ in range(3):
            try:
                return self._launch()
            except RuntimeError:
                if "Address already in use" not in self.log:
                    raise
                self.port = free_port()
        return self._launch()

    def _launch(self) -> None:
        settings = {**self.settings, "port": str(self.port), "hba_file": str(self._supervisor.folder / "pg_hba.conf")}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._supervisor.start(self.binaries / "postgres", "-D", self.data_dir, *options)
        _wait_until(self._is_ready, lambda: self.is_running, describe=lambda: self.log)

    def _is_ready(self) -> bool:
        """Return whether the server reports ready, in the eighth line of its pid file, as pg_ctl checks."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self._supervisor.pid) and lines[7].strip() == "ready"


@functools.cache
def _pristine_data(binaries: Path) -> Path:
    """Return the data folder of a new server, created once per process: copying it is ten times as fast."""
    owner = Supervisor("pristine")
    atexit.register(owner.close)
    password = owner.write("password", _stored_password())
    options = ("--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--auth=password")
    owner.run(binaries / "initdb", "-D", owner.folder / "data", "-U", USER, f"--pwfile={password}", *options)
    return owner.folder / "data"


def _stored_password() -> str:
    """The password as the server keeps it, hashed once: checking 4,096 rounds takes half the time of a connection."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, iterations := 1)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_until(
    condition: Callable[[], bool],
    is_alive: Callable[[], bool],
    *,
    describe: Callable[[], str],
    timeout_seconds: float = 300,
) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if not is_alive():
            raise RuntimeError(f"PostgreSQL ended instead of starting; its log says:\n{describe()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start within {timeout_seconds} s; its log says:\n{describe()}")
        time.sleep(0.01)
