"""Instructions of one request, counted by valgrind: all threads, user space, and the same on a busy machine.

Rates and CPU time differ by a fifth from run to run where others use the machine, instructions by some 2 %. What they
leave out is the kernel and the database server. A program under valgrind is some fifty times slower, so that anything
that bodhi does after a time, such as sending a batch that has waited too long, happens more often per request.
"""

import http.client
import importlib.util
import json
import subprocess
import sys
from urllib.parse import urlsplit

from bench import callgrind
from bench.candidates import BODHI, FLOORS, PING_FLOOR, REFERENCE, TITLES, WITHOUT_SESSIONS, kind_of
from bench.observed import Observed, observed, observed_server
from bench.environment import Absent, Figures, Surroundings, say

CANDIDATES = (WITHOUT_SESSIONS, REFERENCE, *(name for bodhi in BODHI for name in (*FLOORS[bodhi], bodhi)))
LIMIT_SECONDS = 600
PING_WARM_UP = 48

Point = tuple[str, int]  # read or write, in flight


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the ratios to the floors, and both tables."""
    requests = 96 if surroundings.quick else 160
    counts: dict[str, dict[Point, float]] = {}
    if not callgrind.is_installed():
        figures.absent.append("instructions: not measured without valgrind: apt-get install valgrind")
        return
    for name in CANDIDATES:
        say(f"  instructions, {TITLES[name]}")
        try:
            url = "" if name == WITHOUT_SESSIONS else surroundings.url_for(name, "instructions")
        except Absent as absent:
            figures.absent.append(f"instructions, {TITLES[name]}: not measured without {absent}")
            continue
        counts[name] = _counted(name, url, requests, surroundings)
    _conclude(counts, figures)
    say("  instructions, GET /ping")
    _measure_ping(requests, surroundings, figures)


def _counted(name: str, url: str, requests: int, surroundings: Surroundings) -> dict[Point, float]:
    """Thousands of instructions of one request, by what it does and how many others are in flight."""
    folder = surroundings.folder / f"instructions_{name}"
    words = ["bench.counted_requests", kind_of(name), "--url", url, "--requests", str(requests)]
    done = subprocess.run(
        [*callgrind.command(folder), sys.executable, "-m", *words],
        check=True, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    stretches = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        (stretch["what"], stretch["in_flight"]): instructions / stretch["requests"] / 1000
        for stretch, instructions in zip(stretches, callgrind.counted(folder), strict=True)
    }


def _conclude(counts: dict[str, dict[Point, float]], figures: Figures) -> None:
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


def _measure_ping(requests: int, surroundings: Surroundings, figures: Figures) -> None:
    """Over sockets, since the whole application is started as its users start it; the floor runs on the same loop."""
    folders = {name: surroundings.folder / f"instructions_ping_{name}" for name in ("floor", "whole")}
    loop = ["--uvloop"] if importlib.util.find_spec("uvloop") else []  # as `serve` chooses
    words = ["bench.application", PING_FLOOR, *loop]
    with observed("instructions", *words, under=callgrind.command(folders["floor"])) as process:
        _ping(process, int(process.ready), requests)
    home = surroundings.folder / "instructions_home"
    with observed_server("instructions", home, under=callgrind.command(folders["whole"])) as (process, url):
        _ping(process, urlsplit(url).port or 80, requests)
    floor, whole = (callgrind.counted(folder)[0] / requests / 1000 for folder in folders.values())
    figures.values["instructions ping"] = whole / floor
    figures.tables["Instructions of one GET /ping, thousands, over a socket"] = [
        {"application": "aiohttp with one middleware", "alone": round(floor), "x": 1.0},
        {"application": "the whole application", "alone": round(whole), "x": round(whole / floor, 2)},
    ]


def _ping(process: Observed, port: int, requests: int) -> None:
    connection = http.client.HTTPConnection("localhost", port, timeout=LIMIT_SECONDS)

    def ask(times: int) -> None:
        for _ in range(times):
            connection.request("GET", "/ping")
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status

    ask(PING_WARM_UP)
    process.start()
    ask(requests)
    process.stop()
    connection.close()
