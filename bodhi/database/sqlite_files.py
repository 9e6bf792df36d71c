"""Create and check a database file, without opening one that is there.

Closing a file takes away all of the process's locks on it, those of other connections too, and the next process that
leaves would delete the log under them, with all they write from then on.
"""

import errno
import getpass
import os
import stat
from pathlib import Path

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


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _user() -> int | str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return os.getuid()
