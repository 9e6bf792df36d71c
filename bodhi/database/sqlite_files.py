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
    """The file that was at *path* as it was opened: connections go on writing to it when it is there no more."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._identity = self._look()
        self.is_there = True

    def check(self) -> None:
        """Raise :exc:`Damaged` unless the path still leads to the file."""
        found = self._look()
        is_there = found == self._identity
        if is_there != self.is_there:
            self.is_there = is_there
            happened = "is back" if is_there else "was deleted" if found is None else "was replaced by another one"
            log.error("%s %s while it is open", self._path, happened)
        self.refuse()

    def refuse(self) -> None:
        """Raise :exc:`Damaged` where the last check found another file, or none."""
        if not self.is_there:
            raise Damaged(
                f"{self._path} was deleted or replaced: end all that has it open, restore it, and start again"
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _user() -> int | str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return os.getuid()
