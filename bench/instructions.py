"""Instructions per request, counted by valgrind: all threads, user space only.

On a busy machine, rates and CPU time vary by 20 % between runs, instructions by about 2 %. They exclude the kernel and
the database server. A program under valgrind is about fifty times slower, so timed work, such as flushing a batch at
its deadline, happens more often per request.
"""

import http.client
import importlib.util
import json
import subprocess
import sys
from urllib.parse import urlsplit

from bench import callgrind
from bench.candidates import BODHI, FLOORS, PING_FLOOR, REFERENCE, TITLES, WITHOUT_SESSIONS, kind_of
from bench.environment import Environment, Figures, Unavailable, log_progress
from bench.observed import Observed, observed, observed_server

CANDIDATES = (WITHOUT_SESSIONS, REFERENCE, *(name for bodhi in BODHI for name in (*FLOORS[bodhi], bodhi)))
LIMIT_SECONDS = 600
PING_WARM_UP = 48

Point = tuple[str, int]  # read or write, in flight


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the ratios to the floors, and both tables."""
    requests = 96 if environment.quick else 160
    counts: dict[str, dict[Point, float]] = {}
    if not callgrind.is_installed():
        figures.skipped.append("instructions: not measured without valgrind: apt-get install valgrind")
        return
    for name in CANDIDATES:
        log_progress(f"  instructions, {TITLES[name]}")
        try:
            url = "" if name == WITHOUT_SESSIONS else environment.url_for(name, "instructions")
        except Unavailable as error:
            figures.skipped.append(f"instructions, {TITLES[name]}: not measured without {error}")
            continue
        counts[name] = _count_instructions(name, url, requests, environment)
    _add_results(counts, figures)
    log_progress("  instructions, GET /ping")
    _measure_ping(requests, environment, figures)


def _count_instructions(name: str, url: str, requests: int, environment: Environment) -> dict[Point, float]:
    """Return thousands of instructions per request, by operation and number of requests in flight."""
    folder = environment.folder / f"instructions_{name}"
    command = ["bench.counted_requests", kind_of(name), "--url", url, "--requests", str(requests)]
    done = subprocess.run(
        [*callgrind.command(folder), sys.executable, "-m", *command],
        check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    series = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        (entry["operation"], entry["in_flight"]): instructions / entry["requests"] / 1000
        for entry, instructions in zip(series, callgrind.read_counts(folder), strict=True)
    }


def _add_results(counts: dict[str, dict[Point, float]], figures: Figures) -> None:
    table = []
    for name, points in counts.items():
        row: dict[str, object] = {"sessions": TITLES[name]}
        for (what, in_flight), thousands in points.items():
            row[f"{what} at {in_flight}"] = round(thousands)
            if name in FLOORS:
                ratio = thousands / min(counts[floor][what, in_flight] for floor in FLOORS[name])
                row[f"{what} x floor at {in_flight}"] = round(ratio, 2)
                figures.values[f"instructions {what} {name} {in_flight}"] = ratio
        table.append(row)
    figures.tables["Instructions of one request, thousands"] = table


def _measure_ping(requests: int, environment: Environment, figures: Figures) -> None:
    """Measure over sockets, because the whole application is started as in production; the floor uses the same loop."""
    folders = {name: environment.folder / f"instructions_ping_{name}" for name in ("floor", "whole")}
    loop = ["--uvloop"] if importlib.util.find_spec("uvloop") else []  # as `serve` chooses
    command = ["bench.application", PING_FLOOR, *loop]
    with observed("instructions", *command, under=callgrind.command(folders["floor"])) as process:
        _ping(process, int(process.ready), requests)
    home = environment.folder / "instructions_home"
    with observed_server("instructions", home, under=callgrind.command(folders["whole"])) as (process, url):
        _ping(process, urlsplit(url).port or 80, requests)
    floor, whole = (callgrind.read_counts(folder)[0] / requests / 1000 for folder in folders.values())
    figures.values["instructions ping"] = whole / floor
    figures.tables["Instructions of one GET /ping, thousands, over a socket"] = [
        {"application": "aiohttp with one middleware", "alone": round(floor), "x": 1.0},
        {"application": "the whole application", "alone": round(whole), "x": round(whole / floor, 2)},
    ]


def _ping(process: Observed, port: int, requests: int) -> None:
    connection = http.client.HTTPConnection("localhost", port, timeout=LIMIT_SECONDS)

    def send(times: int) -> None:
        for _ in range(times):
            connection.request("GET", "/ping")
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status

    send(PING_WARM_UP)
    process.start()
    send(requests)
    process.stop()
    connection.close()
