"""Create and check a database file, without opening one that is there.

Closing a file takes away all of the process's locks on it, those of other connections too, and the next process that
leaves would delete the log under them, with all they write from then on.
"""

import errno
import os
import stat
from pathlib import Path


def make_file(path: str) -> None:
    """Create the file, if it is missing, and its folder for this user alone; SQLite gives its WAL the same mode."""
    folder = Path(path).parent
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True)
    if not Path(path).exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    check_file(path, os.R_OK | os.W_OK)


def check_file(path: str, mode: int) -> None:
    """Raise an OSError that says why SQLite could not open the file, which it would not itself."""
    if stat.S_ISDIR(Path(path).stat().st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
