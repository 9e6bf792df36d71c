"""``GET /bodhi/v1/auth/verify`` as sent by a proxy, compared with the same check of logins in Redis."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from bench import load
from bench.environment import Environment, Figures, Unavailable, log_progress, median_ratio
from bench.http_load import Candidate, Sample
from bench.process import running, running_module

CONNECTIONS = (4, 32)
SESSIONS = 500
REFERENCE = "redis"
REFERENCE_ON_UVLOOP = "redis on uvloop"
TITLES = {
    REFERENCE: "RedisStorage, with a login as oauth2-proxy stores it",
    REFERENCE_ON_UVLOOP: "the same on bodhi's event loop, uvloop",
    "postgres": "bodhi on PostgreSQL",
    "sqlite": "bodhi on SQLite",
}
# A browser's headers, forwarded by nginx as configured in the how-to guide.
PROXY_HEADERS = {
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


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the ratios to the logins in Redis."""
    rounds, seconds = (2, 1) if environment.quick else (5, 2)
    samples: dict[tuple[str, int], list[Sample]] = defaultdict(list)
    with ExitStack() as stack:
        candidates = []
        for name, title in TITLES.items():
            try:
                candidates.append(stack.enter_context(_running(name, environment)))
            except Unavailable as error:
                figures.skipped.append(f"verify, {title}: not measured without {error}")
        for number in range(-1, rounds):  # the first round fills caches
            log_progress(f"  verify, round {number + 1} of {rounds}")
            for connections in CONNECTIONS:
                for candidate in random.sample(candidates, len(candidates)):
                    path = _path(candidate.name)
                    sample = candidate.run_load(path, connections, seconds, headers=PROXY_HEADERS)
                    if number >= 0:
                        samples[candidate.name, connections].append(sample)
    _add_results(samples, figures)


def _add_results(samples: dict[tuple[str, int], list[Sample]], figures: Figures) -> None:
    table: list[dict[str, object]] = []
    for name, title in TITLES.items():
        row: dict[str, object] = {"sessions": title}
        for connections in CONNECTIONS:
            if measured := samples.get((name, connections)):
                row[f"verify/s at {connections}"] = round(median(_rates(measured)))
                row[f"CPU µs at {connections}"] = round(median(sample.cpu_us for sample in measured))
                row[f"p99 ms at {connections}"] = round(median(sample.result.p99_ms for sample in measured), 2)
                if reference := samples.get((REFERENCE, connections)):
                    ratio = median_ratio(_rates(measured), _rates(reference))
                    row[f"x Redis at {connections}"] = round(ratio, 2)
                    figures.values[f"verify {name} {connections}"] = ratio
        if len(row) > 1:
            table.append(row)
    figures.tables["Verify"] = table


def _rates(samples: Sequence[Sample]) -> list[float]:
    return [sample.result.requests / sample.result.seconds for sample in samples]


def _path(name: str) -> str:
    return "/verify" if name.startswith(REFERENCE) else "/bodhi/v1/auth/verify"


@contextmanager
def _running(name: str, environment: Environment) -> Iterator[Candidate]:
    folder: Path = environment.folder / f"verify_{name}"
    folder.mkdir()
    headers = folder / "session.headers"
    if name.startswith(REFERENCE):
        if environment.redis_url is None:
            raise Unavailable("Redis")
        options = ["--uvloop"] if name == REFERENCE_ON_UVLOOP else []
        with running("verifier", environment.redis_url, environment.server_core, *options) as process:
            headers.write_text("".join(f"{line}\n" for line in load.seed(process.port, SESSIONS)))
            yield Candidate(name, process, headers)
        return
    url = ["--url", environment.postgres_database("verify")] if name == "postgres" else []
    command = ["bench.whole_application", str(folder), *url, "--behind-proxy", "--core", str(environment.server_core)]
    with running_module(*command) as process:
        yield Candidate(name, process, headers)
