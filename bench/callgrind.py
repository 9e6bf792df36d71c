"""Count the instructions between two points of a program, with valgrind's callgrind.

The program marks the points by calls of ``getpriority``, which nothing else here uses. Before each such call,
callgrind dumps its counters and resets them.
"""

import os
import re
import shutil
from pathlib import Path

MARK = "getpriority"
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class Marks:
    """Marks the beginning and the end of the counted code."""

    def start(self) -> None:
        """Mark the beginning."""
        os.getpriority(os.PRIO_PROCESS, 0)

    def stop(self) -> None:
        """Mark the end."""
        os.getpriority(os.PRIO_PROCESS, 0)


def is_installed() -> bool:
    """Return whether valgrind is installed."""
    return shutil.which("valgrind") is not None


def command(folder: Path) -> list[str]:
    """Return the command prefix that runs a command under callgrind, with its counts in the new *folder*."""
    folder.mkdir()
    return ["valgrind", "-q", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={folder / 'counts'}"]


def read_counts(folder: Path) -> list[int]:
    """Return the user-space instructions of all threads, for each pair of marks."""
    dumps = sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    totals = [int(match[1]) for path in dumps if (match := _TOTALS.search(path.read_text()))]
    return totals[1::2]  # the first is the count before the first mark
