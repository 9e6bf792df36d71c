"""Copying sessions: throughput, memory, and the cost of a pass without changes."""

import asyncio
import os
import re
import resource
import sys
from pathlib import Path
from time import perf_counter

from bench.dumping import dump
from bench.environment import Environment, Figures, Unavailable, log_progress
from bench.filling import fill
from bodhi.database import Schema, open_database
from bodhi.transfer.copy import Tally, Transfer

LIMIT_SECONDS = 60.0
_CLEAR = Path("/proc/self/clear_refs")


def measure(environment: Environment, figures: Figures) -> None:
    """Measure throughput and memory growth of copying in each direction."""
    rows = 100_000 if environment.quick else 1_000_000
    figures.notes.append(f"sessions that are copied: {rows:,}" + (" (without --quick 1,000,000)" * environment.quick))
    for source, target in (("sqlite", "postgres"), ("postgres", "sqlite")):
        try:
            urls = [
                _url(kind, f"moving_{source}_{name}", environment) for kind, name in ((source, "from"), (target, "to"))
            ]
        except Unavailable as error:
            figures.skipped.append(f"copying sessions: not measured without {error}")
            return
        log_progress(f"  from {source} to {target}: {rows:,} sessions")
        with environment.on_server_core():  # PostgreSQL runs on the other cores
            row = asyncio.run(_measured(urls[0], urls[1], rows))
        figures.values[f"copy to {target}"] = row["sessions/s"] / 1000
        figures.values[f"copy memory {target}"] = row["memory grew by MB"]
        figures.tables.setdefault("Moving", []).append({"from": source, "to": target, **row})
        log_progress(f"  dumping {rows:,} sessions, {source}")
        dumped = dump(urls[0], rows, environment)
        figures.values[f"dump memory {source}"] = dumped["grew by MB"]
        figures.tables.setdefault("Dumping", []).append({"database": source, "sessions": rows, **dumped})


def _url(dialect: str, name: str, environment: Environment) -> str:
    if dialect == "postgres":
        return environment.postgres_database(name)
    return f"sqlite:{environment.sqlite_file(name)}"


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
    """Return the current memory of this process; reset the peak if the system supports it."""
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
    match = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) / 1024
