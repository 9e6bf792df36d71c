"""A process and its folder that go away with the tests, whatever ends them."""

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
        self.folder = Path(tempfile.mkdtemp(prefix=f"bodhi-{prefix}-", dir=_place_for_folders()))
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
        """The last lines that the process wrote."""
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
        """Whether the process itself has a TCP socket that listens on *port*."""
        try:
            sockets = [] if self.pid is None else psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)

    def own(self, path: Path) -> None:
        """Gives *path*, and all that is in it, to the user that the process runs as."""
        if self._user is not None:
            for one in (path, *path.rglob("*")):
                os.chown(one, self._user, _group_of(self._user) or -1, follow_symlinks=False)

    def write(self, name: str, text: str) -> Path:
        """A file in the folder with *text* in it, readable by the process alone."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        self.own(path)
        return path

    def run(self, *command: str | Path, timeout_seconds: float = 300, **environment: str) -> str:
        """What *command* prints, run to its end by the same user; :exc:`RuntimeError` with its output if it fails."""
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
        """The process id of *command*, started."""
        self._say("start " + shlex.join(str(word) for word in command))
        self.pid = int(self._hear(timeout_seconds=300))
        return self.pid

    def wait(self, *, timeout_seconds: float = 300) -> int:
        """The exit status of the process, once it has ended."""
        self._say("wait")
        status = int(self._hear(timeout_seconds=timeout_seconds))
        self.pid = None
        return status

    def close(self) -> None:
        """Ends the process if it still runs and removes the folder."""
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

    def _say(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line.encode() + b"\n")

    def _hear(self, *, timeout_seconds: float) -> bytes:
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
    """The user id of `nobody` for root, whom PostgreSQL and PgBouncer refuse; None (stay as you are) for others."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def is_open_to_all(folder: Path) -> bool:
    """Whether every user may enter *folder*."""
    return all(one.stat().st_mode & 0o001 for one in (folder, *folder.parents))


def _group_of(user: int | None) -> int | None:
    return None if user is None else pwd.getpwuid(user).pw_gid


def _environment() -> dict[str, str]:
    """The environment without libpq's variables, which would redirect the PostgreSQL tools, and in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _place_for_folders() -> str:
    """Memory where it is plentiful (a new database takes 15 ms there, and up to 250 ms on a slow disk), else the disk.

    As root not below a folder for temporary files that `nobody` may not enter, but in /tmp.
    """
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK | os.X_OK) and shutil.disk_usage(memory).free > _ENOUGH_MEMORY_BYTES:
        return str(memory)
    usual = Path(tempfile.gettempdir()).resolve()
    return str(usual) if is_open_to_all(usual) else "/tmp"
