"""Session reads and writes over HTTP: a server process on its own core, the load generator on another."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import load
from bench.candidates import FLOORS, REFERENCE, TITLES, WITHOUT_SESSIONS, kind_of
from bench.environment import Environment, Figures, Unavailable, log_progress, median_ratio
from bench.process import Process, running

CONNECTIONS = (4, 32)
SESSIONS = 2000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A running server process with its session cookies."""

    name: str
    process: Process
    cookies: Path

    def run_load(
        self, path: str, connections: int, seconds: float, *, headers: Mapping[str, str] | None = None
    ) -> "Sample":
        """Run a load on *path*, with *headers* in each request; return throughput and CPU time."""
        before = self.process.cpu_seconds
        url = self.process.url + path
        result = load.run(url, self.cookies, connections=connections, seconds=seconds, always=headers)
        return Sample(result, (self.process.cpu_seconds - before) * 1e6 / result.requests)


@dataclass(frozen=True, slots=True)
class Sample:
    """The result of one load on one candidate."""

    result: load.LoadResult
    cpu_us: float  # of the server process, per request: the figure that other work on the machine affects least


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the ratios to ``RedisStorage`` and to the floors, and the table of all candidates."""
    rounds, seconds = (3, 1) if environment.quick else (5, 2)
    rates: dict[tuple[str, str, int], list[Sample]] = defaultdict(list)
    with ExitStack() as stack:
        candidates = []
        for name in TITLES:
            try:
                candidates.append(stack.enter_context(_running(name, environment)))
            except Unavailable as error:
                figures.skipped.append(f"{TITLES[name]}: not measured without {error}")
        for candidate in candidates:
            candidate.run_load("/read", 4, 1)  # warm up
        for number in range(rounds):
            log_progress(f"  HTTP, round {number + 1} of {rounds}")
            for candidate, what, connections in _round(candidates):
                rates[candidate.name, what, connections].append(candidate.run_load(f"/{what}", connections, seconds))
    _add_results(rates, figures)


def _round(candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, str, int]]:
    """Return the loads of one round: compared candidates run one after the other, in random order."""
    for what in ("read", "write"):
        for connections in CONNECTIONS:
            for candidate in random.sample(candidates, len(candidates)):
                if candidate.name != WITHOUT_SESSIONS or what == "read":
                    yield candidate, what, connections


def _add_results(rates: dict[tuple[str, str, int], list[Sample]], figures: Figures) -> None:
    table: list[dict[str, object]] = []
    for name, title in TITLES.items():
        row: dict[str, object] = {"sessions": title}
        for (candidate, what, connections), samples in sorted(rates.items()):
            if candidate != name:
                continue
            per_second = _rates(samples)
            row[f"{what}/s at {connections}"] = round(median(per_second))
            row[f"CPU µs per {what} at {connections}"] = round(median(sample.cpu_us for sample in samples))
            row[f"{what} p99 ms at {connections}"] = round(median(sample.result.p99_ms for sample in samples), 2)
            if reference := rates.get((REFERENCE, what, connections)):
                ratio = median_ratio(per_second, _rates(reference))
                row[f"{what} x Redis at {connections}"] = round(ratio, 2)
                figures.values[f"http {what} {name} {connections}"] = ratio
        if len(row) > 1:
            table.append(row)
    figures.tables["HTTP"] = table
    if over := [row for name, floors in FLOORS.items() if (row := _over_floors(name, floors, rates, figures))]:
        figures.tables["CPU of the server process over the floor's"] = over


def _over_floors(
    name: str, floors: Sequence[str], rates: Mapping[tuple[str, str, int], list[Sample]], figures: Figures
) -> dict[str, object]:
    """Return a row with the CPU of candidate *name* relative to the cheapest of *floors*."""
    row: dict[str, object] = {}
    for what in ("read", "write"):
        for connections in CONNECTIONS:
            if samples := rates.get((name, what, connections)):
                floor_cpu = (_cpu(rates[floor, what, connections]) for floor in floors)
                ratio = max(median_ratio(_cpu(samples), cpu) for cpu in floor_cpu)
                row[f"{what} at {connections}"] = round(ratio, 2)
                figures.values[f"http cpu {what} {name} {connections}"] = ratio
    return {"sessions": TITLES[name], **row} if row else row


def _cpu(samples: Sequence[Sample]) -> list[float]:
    return [sample.cpu_us for sample in samples]


def _rates(samples: Sequence[Sample]) -> list[float]:
    return [sample.result.requests / sample.result.seconds for sample in samples]


@contextmanager
def _running(name: str, environment: Environment) -> Iterator[Candidate]:
    url = environment.url_for(name, "http")
    with running(kind_of(name), url, environment.server_core) as process:
        cookies = environment.folder / f"{name}.cookies"
        log_progress(f"  HTTP, {TITLES[name]}")
        lines = [] if name == WITHOUT_SESSIONS else load.seed(process.port, SESSIONS)
        cookies.write_text("".join(f"{line}\n" for line in lines))
        yield Candidate(name, process, cookies)
