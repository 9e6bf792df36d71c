"""``GET /bodhi/v1/auth/verify``, as a proxy asks it, beside the same question to logins in Redis."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench import load
from bench.http_load import Candidate, Turn
from bench.process import running, running_module
from bench.environment import Absent, Figures, Surroundings, median_ratio, say

CONNECTIONS = (4, 32)
SESSIONS = 500
REFERENCE = "redis"
TITLES = {
    "redis": "RedisStorage, with a login as oauth2-proxy keeps it",
    "postgres": "bodhi on PostgreSQL",
    "sqlite": "bodhi on SQLite",
}
# A browser's, passed on by nginx as the how-to page has it.
ASKED = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "*/*",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "http",
    "X-Original-Method": "GET",
}


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the ratios to the logins in Redis."""
    rounds, seconds = (2, 1) if surroundings.quick else (5, 2)
    turns: dict[tuple[str, int], list[Turn]] = defaultdict(list)
    with ExitStack() as stack:
        candidates = []
        for name, title in TITLES.items():
            try:
                candidates.append(stack.enter_context(_running(name, surroundings)))
            except Absent as absent:
                figures.absent.append(f"verify, {title}: not measured without {absent}")
        for number in range(-1, rounds):  # the first round fills caches
            say(f"  verify, round {number + 1} of {rounds}")
            for connections in CONNECTIONS:
                for one in random.sample(candidates, len(candidates)):
                    turn = one.asked(_path(one.name), connections, seconds, always=ASKED)
                    if number >= 0:
                        turns[one.name, connections].append(turn)
    _conclude(turns, figures)


def _conclude(turns: dict[tuple[str, int], list[Turn]], figures: Figures) -> None:
    table: list[dict[str, object]] = []
    for name, title in TITLES.items():
        row: dict[str, object] = {"sessions": title}
        for connections in CONNECTIONS:
            if done := turns.get((name, connections)):
                row[f"verify/s at {connections}"] = round(median(_rates(done)))
                row[f"CPU µs at {connections}"] = round(median(turn.cpu_us for turn in done))
                row[f"p99 ms at {connections}"] = round(median(turn.answered.p99_ms for turn in done), 2)
                if reference := turns.get((REFERENCE, connections)):
                    ratio = median_ratio(_rates(done), _rates(reference))
                    row[f"x Redis at {connections}"] = round(ratio, 2)
                    figures.values[f"verify {name} {connections}"] = ratio
        if len(row) > 1:
            table.append(row)
    figures.tables["Verify"] = table


def _rates(turns: Sequence[Turn]) -> list[float]:
    return [turn.answered.requests / turn.answered.seconds for turn in turns]


def _path(name: str) -> str:
    return "/verify" if name == REFERENCE else "/bodhi/v1/auth/verify"


@contextmanager
def _running(name: str, surroundings: Surroundings) -> Iterator[Candidate]:
    folder: Path = surroundings.folder / f"verify_{name}"
    folder.mkdir()
    headers = folder / "session.headers"
    if name == REFERENCE:
        if surroundings.redis_url is None:
            raise Absent("Redis")
        with running("verifier", surroundings.redis_url, surroundings.server_core) as process:
            headers.write_text("".join(f"{line}\n" for line in load.seed(process.port, SESSIONS)))
            yield Candidate(name, process, headers)
        return
    url = ["--url", surroundings.postgres_database("verify")] if name == "postgres" else []
    command = ["bench.whole_application", str(folder), *url, "--behind-proxy", "--core", str(surroundings.server_core)]
    with running_module(*command) as process:
        yield Candidate(name, process, headers)
