"""Reads and writes of a session over HTTP: one server process on a core of its own, the load on another."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import load
from bench.candidates import FLOORS, REFERENCE, TITLES, WITHOUT_SESSIONS, kind_of
from bench.process import Process, running
from bench.environment import Absent, Figures, Surroundings, median_ratio, say

CONNECTIONS = (4, 32)
SESSIONS = 2000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A running server process, and the cookies of sessions in it."""

    name: str
    process: Process
    cookies: Path

    def asked(self, path: str, connections: int, seconds: float, *, always: Mapping[str, str] | None = None) -> "Turn":
        """What it did under load on *path*, with the headers *always*, and what that took."""
        before = self.process.cpu_seconds
        url = self.process.url + path
        answered = load.run(url, self.cookies, connections=connections, seconds=seconds, always=always)
        return Turn(answered, (self.process.cpu_seconds - before) * 1e6 / answered.requests)


@dataclass(frozen=True, slots=True)
class Turn:
    """One candidate's answers to one load."""

    answered: load.Answered
    cpu_us: float  # of the server process, per request: the figure that other people's work disturbs least


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the ratios to ``RedisStorage`` and to the floors, and the table of all candidates."""
    rounds, seconds = (3, 1) if surroundings.quick else (5, 2)
    rates: dict[tuple[str, str, int], list[Turn]] = defaultdict(list)
    with ExitStack() as stack:
        candidates = []
        for name in TITLES:
            try:
                candidates.append(stack.enter_context(_running(name, surroundings)))
            except Absent as absent:
                figures.absent.append(f"{TITLES[name]}: not measured without {absent}")
        for candidate in candidates:
            candidate.asked("/read", 4, 1)  # what is prepared and cached once
        for number in range(rounds):
            say(f"  HTTP, round {number + 1} of {rounds}")
            for one, what, connections in _turns(candidates):
                rates[one.name, what, connections].append(one.asked(f"/{what}", connections, seconds))
    _conclude(rates, figures)


def _turns(candidates: Sequence[Candidate]) -> Iterator[tuple[Candidate, str, int]]:
    """One round: each candidate in each discipline, those that are compared one after the other, in any order."""
    for what in ("read", "write"):
        for connections in CONNECTIONS:
            for one in random.sample(candidates, len(candidates)):
                if one.name != WITHOUT_SESSIONS or what == "read":
                    yield one, what, connections


def _conclude(rates: dict[tuple[str, str, int], list[Turn]], figures: Figures) -> None:
    table: list[dict[str, object]] = []
    for name, title in TITLES.items():
        row: dict[str, object] = {"sessions": title}
        for (who, what, connections), turns in sorted(rates.items()):
            if who != name:
                continue
            per_second = _rates(turns)
            row[f"{what}/s at {connections}"] = round(median(per_second))
            row[f"CPU µs per {what} at {connections}"] = round(median(turn.cpu_us for turn in turns))
            row[f"{what} p99 ms at {connections}"] = round(median(turn.answered.p99_ms for turn in turns), 2)
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
    name: str, floors: Sequence[str], rates: Mapping[tuple[str, str, int], list[Turn]], figures: Figures
) -> dict[str, object]:
    """A row of the CPU of candidate *name* over the floor's: that of the one of *floors* which takes least."""
    row: dict[str, object] = {}
    for what in ("read", "write"):
        for connections in CONNECTIONS:
            if turns := rates.get((name, what, connections)):
                floor_cpu = (_cpu(rates[floor, what, connections]) for floor in floors)
                ratio = max(median_ratio(_cpu(turns), cpu) for cpu in floor_cpu)
                row[f"{what} at {connections}"] = round(ratio, 2)
                figures.values[f"http cpu {what} {name} {connections}"] = ratio
    return {"sessions": TITLES[name], **row} if row else row


def _cpu(turns: Sequence[Turn]) -> list[float]:
    return [turn.cpu_us for turn in turns]


def _rates(turns: Sequence[Turn]) -> list[float]:
    return [turn.answered.requests / turn.answered.seconds for turn in turns]


@contextmanager
def _running(name: str, surroundings: Surroundings) -> Iterator[Candidate]:
    url = surroundings.url_for(name, "http")
    with running(kind_of(name), url, surroundings.server_core) as process:
        cookies = surroundings.folder / f"{name}.cookies"
        say(f"  HTTP, {TITLES[name]}")
        lines = [] if name == WITHOUT_SESSIONS else load.seed(process.port, SESSIONS)
        cookies.write_text("".join(f"{line}\n" for line in lines))
        yield Candidate(name, process, cookies)
