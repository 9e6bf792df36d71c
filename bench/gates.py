"""The cost of an access gate: the same handler in the whole application, with and without a gate."""

import random
from collections import defaultdict
from statistics import median

from bench import load
from bench.environment import Environment, Figures, log_progress, median_ratio
from bench.process import running_module

CONNECTIONS = 32
KINDS = {"session": "a request with a session", "token": "a request with an API token"}


def measure(environment: Environment, figures: Figures) -> None:
    """Measure the throughput of a handler behind a gate, relative to the same handler without one."""
    rounds, seconds = (3, 1) if environment.quick else (7, 2)
    folder = environment.folder / "gates"
    folder.mkdir()
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    cpu: dict[tuple[str, str], list[float]] = defaultdict(list)
    command = ["bench.whole_application", str(folder), "--core", str(environment.server_core)]
    with running_module(*command) as process:
        for number in range(-1, rounds):  # the first round fills caches
            log_progress(f"  gates, round {number + 1} of {rounds}")
            for kind in KINDS:
                for way in random.sample(["open", "gated"], 2):
                    before = process.cpu_seconds
                    url = f"{process.url}/{kind}/{way}"
                    result = load.run(url, folder / f"{kind}.headers", connections=CONNECTIONS, seconds=seconds)
                    if number >= 0:
                        rates[kind, way].append(result.requests / result.seconds)
                        cpu[kind, way].append((process.cpu_seconds - before) * 1e6 / result.requests)
    table: list[dict[str, object]] = []
    for kind, title in KINDS.items():
        ratio = median_ratio(rates[kind, "gated"], rates[kind, "open"])
        figures.values[f"gate {kind}"] = ratio
        table.append(
            {
                "request": title,
                "open/s": round(median(rates[kind, "open"])),
                "gated/s": round(median(rates[kind, "gated"])),
                "gated / open": round(ratio, 2),
                "CPU µs open": round(median(cpu[kind, "open"])),
                "CPU µs gated": round(median(cpu[kind, "gated"])),
            }
        )
    figures.tables["Gates"] = table
