"""What a server process takes: memory beyond aiohttp's own, and time until it first answers."""

import http.client
import os
import subprocess
import sys
import time
from collections import defaultdict
from statistics import median

from bench import load
from bench.process import running
from bench.servers import free_port
from bench.environment import Absent, Figures, Surroundings, say

SESSIONS = 200
START_LIMIT_SECONDS = 20


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the memory and the start."""
    say("  memory of a server process")
    _measure_memory(surroundings, figures)
    say("  start to first answer")
    try:
        _measure_start(surroundings, figures)
    except Absent as absent:
        figures.absent.append(f"start to first answer: not measured, {absent}")


def _measure_memory(surroundings: Surroundings, figures: Figures) -> None:
    kinds = {"none": ("none", ""), "sqlite": ("bodhi", f"sqlite:{surroundings.sqlite_file('memory')}")}
    if surroundings.postgres_url is not None:
        kinds["postgres"] = ("bodhi", surroundings.postgres_database("memory"))
    else:
        figures.absent.append("memory of a server process on PostgreSQL: not measured without PostgreSQL")
    megabytes: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        for name, (kind, url) in kinds.items():
            megabytes[name].append(_megabytes_after_use(kind, url, surroundings))
    alone = median(megabytes["none"])
    for name in kinds:
        taken = median(megabytes[name])
        if name != "none":
            figures.values[f"memory {name}"] = taken - alone
        row = {"sessions": name, "resident MB": round(taken, 1), "over aiohttp alone MB": round(taken - alone, 1)}
        figures.tables.setdefault("Memory of a server process", []).append(row)


def _megabytes_after_use(kind: str, url: str, surroundings: Surroundings) -> float:
    cookies = surroundings.folder / "memory.cookies"
    with running(kind, url, surroundings.server_core) as process:
        lines = [] if kind == "none" else load.seed(process.port, SESSIONS)
        cookies.write_text("".join(f"{line}\n" for line in lines))
        for path in ("/read", "/read" if kind == "none" else "/write"):
            load.run(process.url + path, cookies, connections=32, seconds=1)
        return process.resident_megabytes


def _measure_start(surroundings: Surroundings, figures: Figures) -> None:
    seconds = [_seconds_to_first_answer(surroundings, number) for number in range(3 if surroundings.quick else 7)]
    figures.values["start sqlite"] = median(seconds)
    figures.tables["Start to first answer, SQLite"] = [
        {"median s": round(median(seconds), 3), "shortest s": round(min(seconds), 3)}
    ]


def _seconds_to_first_answer(surroundings: Surroundings, number: int) -> float:
    """From the start of ``python -m bodhi serve`` with an empty home to a 200 from ``/ping``."""
    home = surroundings.folder / f"home-{number}"
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled once, not at every start
    started = time.perf_counter()
    command = [sys.executable, "-m", "bodhi", "serve", "--port", str(port)]
    environment = {**kept, "BODHI_HOME": str(home)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            while not _answers(port):
                if server.poll() is not None or time.perf_counter() - started > START_LIMIT_SECONDS:
                    raise Absent("since `python -m bodhi serve` does not run")
                time.sleep(0.002)
            return time.perf_counter() - started
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
