"""``python -m bodhi sessions dump``: how many sessions a second it prints, and whether its memory grows meanwhile."""

import os
import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from bench.environment import Surroundings

FIRST_LINES = 10_000  # by then everything is loaded
LOOK_LINES = 10_000


def dump(url: str, rows: int, surroundings: Surroundings) -> dict[str, float]:
    """What it took to dump the *rows* sessions in the database of *url*."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    environ |= {"BODHI_HOME": str(surroundings.folder / "dump"), "BODHI_SESSION_DB_URL": url}
    command = [sys.executable, "-m", "bodhi", "sessions", "dump"]
    started = perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        lines, at_first, peak = 0, 0.0, 0.0
        for _ in process.stdout:
            lines += 1
            if lines % LOOK_LINES == 0:
                peak = _peak_megabytes(process.pid)
            if lines == FIRST_LINES:
                at_first = peak
    assert (rows, 0) == (lines, process.returncode), (lines, process.returncode)
    taken = perf_counter() - started
    return {"sessions/s": round(rows / taken), "peak MB": round(peak, 1), "grew by MB": round(peak - at_first, 1)}


def _peak_megabytes(pid: int) -> float:
    """The most memory that the process has had; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0
