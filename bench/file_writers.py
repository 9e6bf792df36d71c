"""How much one, two and four processes save in one SQLite file: ``python -m bench.file_writers [--seconds N]``.

Each process saves with 32 coroutines, as fast as it can, which is an overload. The ratios depend on the machine less
than the rates do; the load average shows what else ran.
"""

import argparse
import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.session_data import KEY, session_data
from bodhi.session import DefaultSessionService, SessionUnavailable

PROCESSES = (1, 2, 4)
IN_FLIGHT = 32


async def write(url: str, seconds: float) -> dict[str, int]:
    """Return how many saves were stored and refused within *seconds* of a line on standard input."""
    counts = {"saved": 0, "refused": 0}
    async with DefaultSessionService.from_url(url, keys=[KEY]) as service:
        sessions = [(await service.create(session_data(number)))[1] for number in range(IN_FLIGHT)]
        print("ready", flush=True)
        sys.stdin.readline()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds

        async def save(number: int) -> None:
            visits = 0
            while loop.time() < end:
                visits += 1
                try:
                    await service.save(sessions[number], {**session_data(number), "visits": visits})
                    counts["saved"] += 1
                except SessionUnavailable:
                    counts["refused"] += 1

        await asyncio.gather(*map(save, range(IN_FLIGHT)))
    return counts


def measure(processes: int, url: str, seconds: float) -> tuple[float, float]:
    """Return the saves a second of all *processes*, and the share that was refused."""
    command = [sys.executable, "-m", "bench.file_writers", "--url", url, "--seconds", str(seconds)]
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    counts = [json.loads(writer.communicate()[0]) for writer in writers]
    saved, refused = (sum(count[what] for count in counts) for what in ("saved", "refused"))
    return saved / seconds, refused / (saved + refused)


def main() -> None:
    """Read the command line, and measure or be one of the processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url is not None:
        print(json.dumps(asyncio.run(write(options.url, options.seconds))))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, SQLite {sqlite3.sqlite_version}")
    alone = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for processes in PROCESSES:
            rate, refused = measure(processes, f"sqlite:{Path(folder) / str(processes)}.sqlite", options.seconds)
            alone = alone or rate
            print(f"{processes} processes: {rate:.0f} saves/s, {rate / alone:.2f} x one, {refused:.1%} refused")


if __name__ == "__main__":
    main()
