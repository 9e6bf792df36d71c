"""Create and check a database file, without opening one that is there.

Closing a file takes away all of the process's locks on it, those of other connections too, and the next process that
leaves would delete the log under them, with all they write from then on.
"""

import errno
import getpass
import logging
import os
import stat
from pathlib import Path

from bodhi.database.errors import Damaged

log = logging.getLogger(__name__)

_VERBS = {os.R_OK: "read", os.R_OK | os.W_OK: "read and write"}


def make_file(path: str) -> None:
    """Create the file, if it is missing, and its folder for this user alone; SQLite gives its WAL the same mode."""
    folder = Path(path).parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
    if not Path(path).exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    for suffix in ("", "-wal", "-shm"):  # of another user, after a command was run as root
        if not suffix or Path(path + suffix).exists():
            check_file(path + suffix, os.R_OK | os.W_OK)
    if not _may(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES, f"its folder is not writable: SQLite keeps a log there, let user {_user()} write to {folder}"
        )


def check_file(path: str, mode: int) -> None:
    """Raise an OSError that says why SQLite could not open the file, which it would not itself."""
    if stat.S_ISDIR(Path(path).stat().st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not _may(Path(path), mode):
        raise PermissionError(errno.EACCES, f"{os.strerror(errno.EACCES)}: let user {_user()} {_VERBS[mode]} {path}")


class OpenFile:
    """The file that was at *path* as it was opened, to which connections go on writing when it is there no more.

    One that was moved is still whole. Whether one that is not there was deleted is known on Linux alone.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        # Closing it leaves the locks of the process alone, unlike closing a file that can be read.
        self._descriptor = os.open(path, os.O_PATH) if hasattr(os, "O_PATH") else None
        self.identity = _identity(self._path.stat())
        self.is_lost = False  # as the last check found it

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def check(self) -> None:
        """Raise :exc:`Damaged` where it was deleted, or another file has taken its place."""
        fault = self._fault()
        if (fault is not None) != self.is_lost:
            self.is_lost = fault is not None
            log.error("%s %s while it is open", self._path, fault or "is back")
        if self.is_lost:
            raise Damaged(
                f"{self._path} was deleted or replaced: end all that has it open, restore it, and start again"
            )

    def _fault(self) -> str | None:
        try:
            return None if _identity(self._path.stat()) == self.identity else "was replaced by another file"
        except OSError:
            is_kept = self._descriptor is not None and os.fstat(self._descriptor).st_nlink > 0
            return None if is_kept else "was deleted"


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _user() -> int | str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return os.getuid()
