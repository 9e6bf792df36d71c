"""``python -m bench [--quick] [--large] [--only NAME]``: measure, print the table, write it to ``bench/results/``."""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

from bench import (
    admin_lists,
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
from bench.environment import Environment, Figures, Unavailable, cores, leave_core, log_progress

MEASUREMENTS: dict[str, Callable[[Environment, Figures], None]] = {
    "http": http_load.measure,
    "instructions": instructions.measure,
    "calls": calls.measure,
    "gates": gates.measure,
    "verify": verifying.measure,
    "loads": store_loads.measure,
    "writers": under_writers.measure,
    "process": process_cost.measure,
    "user": one_user.measure,
    "lists": admin_lists.measure,
    "revocation": revocation.measure,
    "rows": many_rows.measure,
    "moving": moving.measure,
}
LARGE_SERVER = {"shared_buffers": "2GB", "max_wal_size": "4GB"}  # a tenth of the rows, as where there are so many
BUSY_LOAD = 0.5  # a higher load average means that other work is running


def main() -> None:
    """Run the measurements selected on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, fewer rows: about 10 minutes")
    parser.add_argument("--large", action="store_true", help="10,000,000 rows where it is 1,000,000 otherwise")
    parser.add_argument("--only", metavar="NAME", choices=MEASUREMENTS, help=f"one of {', '.join(MEASUREMENTS)}")
    options = parser.parse_args()
    option_text = "".join(f" --{name}" for name in ("quick", "large") if getattr(options, name))
    option_text += f" --only {options.only}" if options.only else ""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # exit normally, so that the servers are stopped
    started = time.monotonic()
    figures = Figures()
    with ExitStack() as stack:
        environment = _environment(stack, figures, quick=options.quick, large=options.large)
        if os.getloadavg()[0] > BUSY_LOAD:
            figures.notes.append("the machine was busy at the start: the ratios are less reliable")
        machine_info = machine.describe(environment.folder, servers.postgres_programs())
        for name, measure in MEASUREMENTS.items():
            if options.only in (None, name):
                log_progress(f"{name} ({time.monotonic() - started:.0f} s)")
                measure(environment, figures)
    page = report.markdown(figures, machine_info, option_text, time.monotonic() - started)
    print(page)
    log_progress(f"written to {report.write(figures, machine_info, option_text, page)}")


def _environment(stack: ExitStack, figures: Figures, *, quick: bool, large: bool) -> Environment:
    """Return the environment of this run, with its servers started; move this process off the measured core."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bodhi-bench-")))
    folder.chmod(0o711)  # PostgreSQL's user needs access
    server_core, *others = cores()
    if not others:
        figures.notes.append("one core only: servers, databases and load share it")
    leave_core(server_core, frozenset(others))

    def start(server: Callable[[Path], AbstractContextManager[str]]) -> str | None:
        try:
            return stack.enter_context(server(folder))
        except Unavailable as error:
            log_progress(f"unavailable: {error}")
            figures.skipped.append(str(error))
            return None

    return Environment(
        folder=folder,
        postgres_url=start(partial(servers.postgres, settings=LARGE_SERVER if large else {})),
        redis_url=start(servers.redis),
        server_core=server_core,
        other_cores=frozenset(others),
        quick=quick,
        large=large,
    )


if __name__ == "__main__":
    main()
