"""Memory of a server process beyond aiohttp's own, and startup time."""

import http.client
import os
import subprocess
import sys
import time
from collections import defaultdict
from statistics import median

from bench import load
from bench.environment import Environment, Figures, Unavailable, log_progress
from bench.process import running
from bench.servers import free_port

SESSIONS = 200
START_LIMIT_SECONDS = 20


def measure(environment: Environment, figures: Figures) -> None:
    """Measure memory and startup time."""
    log_progress("  memory of a server process")
    _measure_memory(environment, figures)
    log_progress("  start to first answer")
    try:
        _measure_start(environment, figures)
    except Unavailable as error:
        figures.skipped.append(f"start to first answer: not measured, {error}")


def _measure_memory(environment: Environment, figures: Figures) -> None:
    kinds = {"none": ("none", ""), "sqlite": ("bodhi", f"sqlite:{environment.sqlite_file('memory')}")}
    if environment.postgres_url is not None:
        kinds["postgres"] = ("bodhi", environment.postgres_database("memory"))
    else:
        figures.skipped.append("memory of a server process on PostgreSQL: not measured without PostgreSQL")
    megabytes: dict[str, list[float]] = defaultdict(list)
    for _ in range(3):
        for name, (kind, url) in kinds.items():
            megabytes[name].append(_megabytes_after_use(kind, url, environment))
    alone = median(megabytes["none"])
    for name in kinds:
        taken = median(megabytes[name])
        if name != "none":
            figures.values[f"memory {name}"] = taken - alone
        row = {"sessions": name, "resident MB": round(taken, 1), "over aiohttp alone MB": round(taken - alone, 1)}
        figures.tables.setdefault("Memory of a server process", []).append(row)


def _megabytes_after_use(kind: str, url: str, environment: Environment) -> float:
    cookies = environment.folder / "memory.cookies"
    with running(kind, url, environment.server_core) as process:
        lines = [] if kind == "none" else load.seed(process.port, SESSIONS)
        cookies.write_text("".join(f"{line}\n" for line in lines))
        for path in ("/read", "/read" if kind == "none" else "/write"):
            load.run(process.url + path, cookies, connections=32, seconds=1)
        return process.resident_megabytes


def _measure_start(environment: Environment, figures: Figures) -> None:
    seconds = [_seconds_to_first_answer(environment, number) for number in range(3 if environment.quick else 7)]
    figures.values["start sqlite"] = median(seconds)
    figures.tables["Start to first answer, SQLite"] = [
        {"median s": round(median(seconds), 3), "shortest s": round(min(seconds), 3)}
    ]


def _seconds_to_first_answer(environment: Environment, number: int) -> float:
    """Return the time from ``python -m bodhi serve`` with an empty home to a 200 from ``/ping``."""
    home = environment.folder / f"home-{number}"
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages are compiled once, not at every start
    started = time.perf_counter()
    command = [sys.executable, "-m", "bodhi", "serve", "--port", str(port)]
    environ = {**inherited, "BODHI_HOME": str(home)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            while not _answers(port):
                if server.poll() is not None or time.perf_counter() - started > START_LIMIT_SECONDS:
                    raise Unavailable("because `python -m bodhi serve` does not run")
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
