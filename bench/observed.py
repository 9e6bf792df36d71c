"""A server process that counts calls or instructions, controlled by another process.

Run as ``python -m bench.observed WHAT FD MODULE [ARGUMENT ...]``. It runs *MODULE* as ``python -m`` does, and meanwhile
executes the commands ``start`` and ``stop``, one per line, from the socket *FD*; it answers each with a line of JSON.
WHAT is ``calls`` or ``instructions``.
"""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Protocol

from bench.call_counter import CallCounter
from bench.callgrind import Marks
from bench.servers import free_port


class Observer(Protocol):
    """A counter."""

    def start(self) -> object:
        """Start counting."""

    def stop(self) -> object:
        """Stop counting; return the result as JSON data."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A running server process; *ready* is the line that it printed when it was ready."""

    ready: str
    _lines: IO[str]

    def start(self) -> None:
        """Start counting."""
        self._send("start")

    def stop(self) -> Any:
        """Stop counting and return the result."""
        return self._send("stop")

    def _send(self, what: str) -> Any:
        self._lines.write(f"{what}\n")
        self._lines.flush()
        return json.loads(self._lines.readline())


@contextmanager
def observed(
    what: str, *arguments: str, under: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Iterator[Observed]:
    """Run a module, with arguments, in a process started by the command prefix *under*, until the block ends."""
    local, remote = socket.socketpair()
    with local, remote, tempfile.TemporaryFile("w+") as errors:
        command = [*under, sys.executable, "-m", "bench.observed", what, str(remote.fileno()), *arguments]
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            pass_fds=[remote.fileno()], env=environ, text=True,
        )  # fmt: skip
        with server, local.makefile("rw") as lines:
            assert server.stdout is not None
            try:
                ready = server.stdout.readline()
                if not ready:
                    errors.seek(0)
                    raise RuntimeError(f"{' '.join(arguments)} did not start: {errors.read()[-2000:]}")
                yield Observed(ready.strip(), lines)
            finally:
                server.send_signal(signal.SIGTERM)


@contextmanager
def observed_server(
    what: str, home: Path, *, under: Sequence[str] = (), **settings: str
) -> Iterator[tuple[Observed, str]]:
    """Run ``python -m bodhi serve`` with exactly these *settings*; return the process and its URL.

    It logs only warnings: there is no access log, as in the applications it is compared with.
    """
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    environ = {**inherited, "BODHI_HOME": str(home), "BODHI_LOG_LEVEL": "warning", **settings}
    with observed(what, "bodhi", "serve", "--port", str(port), under=under, environ=environ) as server:
        yield server, f"http://localhost:{port}"


def run_commands(control: socket.socket, observer: Observer) -> None:
    """Execute the commands from *control* until it is closed."""
    with control.makefile("rw") as lines:
        for line in lines:
            result = observer.start() if line == "start\n" else observer.stop()
            lines.write(f"{json.dumps(result)}\n")
            lines.flush()


def main() -> None:
    """Read the command line, start the command thread, and run the module."""
    what, descriptor, module, *arguments = sys.argv[1:]
    observer: Observer
    if what == "calls":
        spec = find_spec("bodhi")
        assert spec is not None
        assert spec.origin is not None
        observer = CallCounter(Path(spec.origin).parent)
    else:
        observer = Marks()
    threading.Thread(target=run_commands, args=(socket.socket(fileno=int(descriptor)), observer), daemon=True).start()
    if isinstance(observer, CallCounter):
        observer.install()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
