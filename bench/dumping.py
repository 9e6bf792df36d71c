"""``python -m bodhi sessions dump``: throughput and memory growth."""

import os
import re
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from bench.environment import Environment

FIRST_LINES = 10_000  # everything is loaded by then
SAMPLE_LINES = 10_000


def dump(url: str, rows: int, environment: Environment) -> dict[str, float]:
    """Dump the *rows* sessions in the database of *url*; return the measured figures."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    environ |= {"BODHI_HOME": str(environment.folder / "dump"), "BODHI_SESSION_DB_URL": url}
    command = [sys.executable, "-m", "bodhi", "sessions", "dump"]
    started = perf_counter()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        lines, at_first, peak = 0, 0.0, 0.0
        for _ in process.stdout:
            lines += 1
            if lines % SAMPLE_LINES == 0:
                peak = _peak_megabytes(process.pid)
            if lines == FIRST_LINES:
                at_first = peak
    assert (rows, 0) == (lines, process.returncode), (lines, process.returncode)
    taken = perf_counter() - started
    return {"sessions/s": round(rows / taken), "peak MB": round(peak, 1), "grew by MB": round(peak - at_first, 1)}


def _peak_megabytes(pid: int) -> float:
    """Return the peak memory of the process, or 0 if the system does not report it."""
    status = Path(f"/proc/{pid}/status")
    match = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(match[1]) / 1024 if match else 0.0
