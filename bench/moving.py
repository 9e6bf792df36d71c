"""Sessions that move: how many a second are copied, in how much memory, and what a pass costs when nothing changed."""

import asyncio
import os
import re
import resource
import sys
from pathlib import Path
from time import perf_counter

from bench.dumping import dump
from bench.many_rows import fill
from bench.environment import Absent, Figures, Surroundings, say
from bodhi.database import Schema, open_database
from bodhi.transfer.copy import Tally, Transfer

LIMIT_SECONDS = 60.0
_CLEAR = Path("/proc/self/clear_refs")


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in how many sessions a second are copied in each direction, and by how much memory grew meanwhile."""
    rows = 100_000 if surroundings.quick else 1_000_000
    figures.notes.append(f"sessions that are copied: {rows:,}" + (" (without --quick 1,000,000)" * surroundings.quick))
    for source, target in (("sqlite", "postgres"), ("postgres", "sqlite")):
        try:
            urls = [
                _url(kind, f"moving_{source}_{name}", surroundings) for kind, name in ((source, "from"), (target, "to"))
            ]
        except Absent as absent:
            figures.absent.append(f"copying sessions: not measured without {absent}")
            return
        say(f"  from {source} to {target}: {rows:,} sessions")
        with surroundings.on_server_core():  # as PostgreSQL has the other ones
            row = asyncio.run(_measured(urls[0], urls[1], rows))
        figures.values[f"copy to {target}"] = row["sessions/s"] / 1000
        figures.values[f"copy memory {target}"] = row["memory grew by MB"]
        figures.tables.setdefault("Moving", []).append({"from": source, "to": target, **row})
        say(f"  dumping {rows:,} sessions, {source}")
        dumped = dump(urls[0], rows, surroundings)
        figures.values[f"dump memory {source}"] = dumped["grew by MB"]
        figures.tables.setdefault("Dumping", []).append({"database": source, "sessions": rows, **dumped})


def _url(dialect: str, name: str, surroundings: Surroundings) -> str:
    if dialect == "postgres":
        return surroundings.postgres_database(name)
    return f"sqlite:{surroundings.sqlite_file(name)}"


async def _measured(source_url: str, target_url: str, rows: int) -> dict[str, float]:
    async with open_database(source_url, limit_seconds=LIMIT_SECONDS) as source:
        await Schema(source, "session").migrate()
        await fill(source_url, rows)
        async with open_database(target_url, limit_seconds=LIMIT_SECONDS) as target:
            await Schema(target, "session").migrate()
            transfer = Transfer(source, target, failed=print, follows=True)
            memory = _resident_megabytes()
            cpu, began = _cpu_seconds(), perf_counter()
            tally = await _pass(transfer)
            taken, used = perf_counter() - began, _cpu_seconds() - cpu
            grown = _peak_megabytes() - memory
            assert (rows, rows, 0) == (tally.read, tally.written, tally.failed)
            began = perf_counter()
            again = await _pass(transfer)
            assert (rows, 0) == (again.kept, again.changed)
            return {
                "sessions/s": round(rows / taken),
                "own CPU µs each": round(used / rows * 1e6, 1),
                "memory grew by MB": round(grown, 1),
                "s of a pass without a change": round(perf_counter() - began, 2),
            }


async def _pass(transfer: Transfer) -> Tally:
    tallies = [tally async for tally in transfer.run()]
    return tallies[-1]


def _cpu_seconds() -> float:
    return sum(os.times()[:2])


def _resident_megabytes() -> float:
    """The memory of this process now; from here on the peak is counted anew, where the system can do that."""
    if not _CLEAR.exists():
        return _peak_megabytes()
    _CLEAR.write_text("5")
    return _status("VmRSS")


def _peak_megabytes() -> float:
    if _CLEAR.exists():
        return _status("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _status(name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
