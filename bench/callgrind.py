"""Instructions between two points of a program that runs under valgrind's callgrind.

The program marks the points by a call of ``getpriority``, which nothing else here needs: callgrind is told to write
what it has counted so far, and to begin anew, before each of them.
"""

import os
import re
import shutil
from pathlib import Path

MARK = "getpriority"
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class Marks:
    """Marks the beginning and the end of what is counted."""

    def start(self) -> None:
        """Count from here on."""
        os.getpriority(os.PRIO_PROCESS, 0)

    def stop(self) -> None:
        """Up to here."""
        os.getpriority(os.PRIO_PROCESS, 0)


def is_installed() -> bool:
    """Whether this machine has valgrind."""
    return shutil.which("valgrind") is not None


def command(folder: Path) -> list[str]:
    """What a command is put behind, so that its counts come into the new *folder*."""
    folder.mkdir()
    return ["valgrind", "-q", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={folder / 'counts'}"]


def counted(folder: Path) -> list[int]:
    """The instructions of all threads, in user space, between each start and its stop."""
    dumps = sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    totals = [int(match[1]) for path in dumps if (match := _TOTALS.search(path.read_text()))]
    return totals[1::2]  # the first is what came before the first start
