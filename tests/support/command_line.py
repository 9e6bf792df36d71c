"""``bodhi`` commands in this process: as in one of their own, but that Python and all imports need not start anew."""

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

from bodhi.cli import main

Ended = tuple[int, str, str]


def run_command(*arguments: str, environ: Mapping[str, str], cwd: Path) -> Ended:
    """Exit status, stdout and stderr of a command that has *environ* as its environment; nobody is there to be asked.

    It runs in a thread, since it has an event loop of its own and a test may run in one.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        ThreadPoolExecutor(1) as thread,
        Path(os.devnull).open() as nobody,
        contextlib.chdir(cwd),
        patch.dict(os.environ, environ, clear=True),
        patch("sys.stdin", nobody),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        own_logging(),
    ):
        status = thread.submit(main, arguments).result(timeout=300)
    return status, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def own_logging() -> Iterator[None]:
    """Logging as a process finds it; what the command sets up is gone afterwards."""
    root, bodhi = logging.getLogger(), logging.getLogger("bodhi")
    handlers, levels = root.handlers[:], (root.level, bodhi.level)
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    bodhi.setLevel(logging.NOTSET)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        bodhi.setLevel(levels[1])
