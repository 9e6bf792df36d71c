"""Describe the machine, the versions and the file system of a run."""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter

from bench import load

PACKAGES = ("bodhi-sessions", "aiohttp", "aiohttp-session", "asyncpg", "aiosqlite", "cryptography", "msgspec", "redis")


def describe(folder: Path, postgres_programs: Path | None) -> dict[str, str]:
    """Return machine properties and versions, by name."""
    return {
        "system": platform.platform(),
        "processor": _search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo")) or platform.processor() or "unknown",
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "files": f"{_file_system(folder)}, fdatasync {_sync_ms(folder):.2f} ms",
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": _output_of(postgres_programs / "postgres" if postgres_programs else None, "--version"),
        "Redis": _output_of(shutil.which("redis-server"), "--version"),
        "Valgrind": _output_of(shutil.which("valgrind"), "--version"),
        "load by": load.loader_name(),
        "commit": _output_of(shutil.which("git"), "describe", "--always", "--dirty"),
        **{name: _version(name) for name in PACKAGES},
    }


def _memory() -> str:
    kilobytes = _search(r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo"))
    return f"{int(kilobytes) / 1024**2:.0f} GB" if kilobytes else "unknown"


def _file_system(folder: Path) -> str:
    """Return the file system type: on an in-memory one, durable writes cost nothing."""
    best = ("", "unknown")
    mounts = Path("/proc/mounts")
    for line in mounts.read_text().splitlines() if mounts.exists() else []:
        _, point, kind, *_ = line.split()
        if folder.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _sync_ms(folder: Path, syncs: int = 100) -> float:
    """Return the median time of a durable write of a page, the fixed cost of a commit."""
    path = folder / "sync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(syncs):
            file.write(bytes(4096))
            started = perf_counter()
            os.fdatasync(file.fileno())
            times.append(perf_counter() - started)
    path.unlink()
    return median(times) * 1000


def _search(pattern: str, path: Path) -> str | None:
    match = re.search(pattern, path.read_text(), re.MULTILINE) if path.exists() else None
    return match[1] if match else None


def _output_of(program: str | Path | None, *words: str) -> str:
    if program is None:
        return "absent"
    done = subprocess.run([program, *words], check=False, capture_output=True, text=True, timeout=10)
    return done.stdout.strip() or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
