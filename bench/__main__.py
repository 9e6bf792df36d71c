"""``python -m bench [--quick] [--large] [--only NAME]``: measure, print the table, keep it in ``bench/results/``."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from bench import (
    calls,
    gates,
    http_load,
    instructions,
    machine,
    many_rows,
    moving,
    one_user,
    process_cost,
    report,
    revocation,
    servers,
    store_loads,
    under_writers,
    verifying,
)
from bench.environment import Absent, Figures, Surroundings, cores, keep_off, say

MEASUREMENTS: dict[str, Callable[[Surroundings, Figures], None]] = {
    "http": http_load.measure,
    "instructions": instructions.measure,
    "calls": calls.measure,
    "gates": gates.measure,
    "verify": verifying.measure,
    "loads": store_loads.measure,
    "writers": under_writers.measure,
    "process": process_cost.measure,
    "user": one_user.measure,
    "revocation": revocation.measure,
    "rows": many_rows.measure,
    "moving": moving.measure,
}
BUSY_LOAD = 0.5  # processes that want to run: beyond this they are not all our own


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, fewer rows: about 10 minutes")
    parser.add_argument("--large", action="store_true", help="10,000,000 rows where it is 1,000,000 otherwise")
    parser.add_argument("--only", metavar="NAME", choices=MEASUREMENTS, help=f"one of {', '.join(MEASUREMENTS)}")
    options = parser.parse_args()
    shown = "".join(f" --{name}" for name in ("quick", "large") if getattr(options, name))
    shown += f" --only {options.only}" if options.only else ""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended here too
    started = time.monotonic()
    figures = Figures()
    with ExitStack() as stack:
        surroundings = _surroundings(stack, figures, quick=options.quick, large=options.large)
        if os.getloadavg()[0] > BUSY_LOAD:
            figures.notes.append("other work ran on this machine at the start: the ratios are less sure than they look")
        described = machine.describe(surroundings.folder, servers.postgres_programs())
        for name, measure in MEASUREMENTS.items():
            if options.only in (None, name):
                say(f"{name} ({time.monotonic() - started:.0f} s)")
                measure(surroundings, figures)
    page = report.markdown(figures, described, shown, time.monotonic() - started)
    print(page)
    say(f"kept as {report.keep(figures, described, shown, page)}")


def _surroundings(stack: ExitStack, figures: Figures, *, quick: bool, large: bool) -> Surroundings:
    """The folder and the servers of this run; this process moves off the core that is measured."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bodhi-bench-")))
    folder.chmod(0o711)  # PostgreSQL's user has to pass through
    server_core, *others = cores()
    if not others:
        figures.notes.append("one core only: servers, databases and load share it")
    keep_off(server_core, frozenset(others))

    def running(server: Callable[[Path], AbstractContextManager[str]]) -> str | None:
        try:
            return stack.enter_context(server(folder))
        except Absent as absent:
            say(f"absent: {absent}")
            figures.absent.append(str(absent))
            return None

    return Surroundings(
        folder=folder,
        postgres_url=running(servers.postgres),
        redis_url=running(servers.redis),
        server_core=server_core,
        other_cores=frozenset(others),
        quick=quick,
        large=large,
    )


if __name__ == "__main__":
    main()
