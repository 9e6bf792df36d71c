"""What a gate costs: the same handler in the whole application, behind a gate and before none."""

import random
from collections import defaultdict
from statistics import median

from bench import load
from bench.process import running_module
from bench.environment import Figures, Surroundings, median_ratio, say

CONNECTIONS = 32
KINDS = {"session": "a session's request", "token": "a request with an API token"}


def measure(surroundings: Surroundings, figures: Figures) -> None:
    """Fills in the share of its throughput that a handler keeps behind a gate."""
    rounds, seconds = (3, 1) if surroundings.quick else (7, 2)
    folder = surroundings.folder / "gates"
    folder.mkdir()
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    cpu: dict[tuple[str, str], list[float]] = defaultdict(list)
    command = ["bench.whole_application", str(folder), "--core", str(surroundings.server_core)]
    with running_module(*command) as process:
        for number in range(-1, rounds):  # the first round fills caches
            say(f"  gates, round {number + 1} of {rounds}")
            for kind in KINDS:
                for way in random.sample(["open", "gated"], 2):
                    before = process.cpu_seconds
                    url = f"{process.url}/{kind}/{way}"
                    done = load.run(url, folder / f"{kind}.headers", connections=CONNECTIONS, seconds=seconds)
                    if number >= 0:
                        rates[kind, way].append(done.requests / done.seconds)
                        cpu[kind, way].append((process.cpu_seconds - before) * 1e6 / done.requests)
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
