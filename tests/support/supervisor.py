"""A process and its folder, which are removed with the test process however it ends."""

import os
import pwd
import select
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

_ENOUGH_MEMORY_BYTES = 2 * 1024**3

# The shell holds the process and reads a pipe whose other end only the test process has. The pipe ends when the test
# process closes it or dies, even by SIGKILL; then the shell ends the process (CONT wakes one that was stopped) and
# removes the folder. `exec` in the subshell makes its process id the one of the command itself.
_SCRIPT = """
folder=$1 last_signal=$2 pid=
while read -r verb command; do
    case $verb in
        start) eval "exec $command" >>"$folder/log" 2>&1 </dev/null & pid=$!; echo "$pid" ;;
        wait) wait "$pid"; echo "$?"; pid= ;;
    esac
done
if [ -n "$pid" ]; then
    kill -"$last_signal" "$pid"; kill -CONT "$pid"; wait "$pid"
fi 2>/dev/null
rm -rf "$folder"
"""


class Supervisor:
    """Runs one process at a time in a new folder of its own, as `nobody` when the tests run as root.

    *last_signal* ends the process when the tests have ended without doing so.
    """

    def __init__(self, prefix: str, *, last_signal: str = "TERM") -> None:
        self._user = unprivileged_user()
        self.folder = Path(tempfile.mkdtemp(prefix=f"bodhi-{prefix}-", dir=place_for_folders()))
        self.own(self.folder)
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "supervisor", str(self.folder), last_signal],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=_environment(),
            user=self._user,
            group=_group_of(self._user),
            extra_groups=None if self._user is None else [],
            start_new_session=True,  # Ctrl-C ends the tests, and they end this
        )
        self.pid: int | None = None

    @property
    def log(self) -> str:
        """The last lines of the process's output."""
        path = self.folder / "log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-25:]) if path.exists() else ""

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        try:
            return self.pid is not None and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def listens_on(self, port: int) -> bool:
        """Return whether the process itself listens on TCP *port*."""
        try:
            sockets = [] if self.pid is None else psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)

    def own(self, path: Path) -> None:
        """Change the owner of *path*, recursively, to the user of the process."""
        if self._user is not None:
            for one in (path, *path.rglob("*")):
                os.chown(one, self._user, _group_of(self._user) or -1, follow_symlinks=False)

    def write(self, name: str, text: str) -> Path:
        """Write a file in the folder that only the process can read; return its path."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        self.own(path)
        return path

    def run(self, *command: str | Path, timeout_seconds: float = 300, **environment: str) -> str:
        """Run *command* as the same user and return its output; raise :exc:`RuntimeError` with it on failure."""
        done = subprocess.run(
            [str(word) for word in command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env=_environment() | environment,
            user=self._user,
            group=_group_of(self._user),
            extra_groups=None if self._user is None else [],
            timeout=timeout_seconds,
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed with status {done.returncode}:\n{done.stdout}")
        return done.stdout

    def start(self, *command: str | Path) -> int:
        """Start *command* and return its process id."""
        self._send("start " + shlex.join(str(word) for word in command))
        self.pid = int(self._receive(timeout_seconds=300))
        return self.pid

    def wait(self, *, timeout_seconds: float = 300) -> int:
        """Wait for the process to end and return its exit status."""
        self._send("wait")
        status = int(self._receive(timeout_seconds=timeout_seconds))
        self.pid = None
        return status

    def close(self) -> None:
        """Stop the process and remove the folder."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.close()
        self._shell.stdout.close()
        self._shell.wait(timeout=300)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line.encode() + b"\n")

    def _receive(self, *, timeout_seconds: float) -> bytes:
        assert self._shell.stdout is not None
        deadline = time.monotonic() + timeout_seconds
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self._shell.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"no answer within {timeout_seconds} s; the log says:\n{self.log}")
            read = self._shell.stdout.read(64)
            if not read:
                raise RuntimeError(f"the supervisor of {self.folder} has ended; the log says:\n{self.log}")
            line += read
        return line


def unprivileged_user() -> int | None:
    """Return the user id of `nobody` for root, which PostgreSQL and PgBouncer refuse; None for other users."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def is_open_to_all(folder: Path) -> bool:
    """Return whether every user can access *folder*."""
    return all(one.stat().st_mode & 0o001 for one in (folder, *folder.parents))


def _group_of(user: int | None) -> int | None:
    return None if user is None else pwd.getpwuid(user).pw_gid


def _environment() -> dict[str, str]:
    """Return an English environment without libpq's variables, which would redirect the PostgreSQL tools."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def place_for_folders() -> str:
    """Return an in-memory folder if large enough (a new database takes 15 ms, up to 250 ms on disk), else the disk.

    As root not below a folder for temporary files that `nobody` may not enter, but in /tmp.
    """
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free > _ENOUGH_MEMORY_BYTES:
        return str(memory)
    usual = Path(tempfile.gettempdir()).resolve()
    return str(usual) if is_open_to_all(usual) else "/tmp"
