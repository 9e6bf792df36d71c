"""A server process in which something is counted while another process asks it to.

Run as ``python -m bench.observed WHAT FD MODULE [ARGUMENT ...]``: it runs *MODULE* as ``python -m`` does, and meanwhile
obeys the lines ``start`` and ``stop`` on the socket *FD*; it answers each with a line of JSON. WHAT is ``calls`` or
``instructions``.
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
    """What counts."""

    def start(self) -> object:
        """Begin to count."""

    def stop(self) -> object:
        """What was counted, as JSON can hold it."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A running server process; *ready* is the line that it printed when it was."""

    ready: str
    _lines: IO[str]

    def start(self) -> None:
        """Begin to count."""
        self._ask("start")

    def stop(self) -> Any:
        """What was counted since."""
        return self._ask("stop")

    def _ask(self, what: str) -> Any:
        self._lines.write(f"{what}\n")
        self._lines.flush()
        return json.loads(self._lines.readline())


@contextmanager
def observed(
    what: str, *words: str, under: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Iterator[Observed]:
    """The module and its arguments, *words*, in a process under the program *under*, until the block ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile("w+") as errors:
        command = [*under, sys.executable, "-m", "bench.observed", what, str(theirs.fileno()), *words]
        server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            pass_fds=[theirs.fileno()], env=environ, text=True,
        )  # fmt: skip
        with server, ours.makefile("rw") as lines:
            assert server.stdout is not None
            try:
                ready = server.stdout.readline()
                if not ready:
                    errors.seek(0)
                    raise RuntimeError(f"{' '.join(words)} did not start: {errors.read()[-2000:]}")
                yield Observed(ready.strip(), lines)
            finally:
                server.send_signal(signal.SIGTERM)


@contextmanager
def observed_server(
    what: str, home: Path, *, under: Sequence[str] = (), **settings: str
) -> Iterator[tuple[Observed, str]]:
    """``python -m bodhi serve`` with *settings* and nothing else that is set, and its address.

    It logs warnings only: lines about requests are left out, as they are for the applications it is compared with.
    """
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    environ = {**kept, "BODHI_HOME": str(home), "BODHI_LOG_LEVEL": "warning", **settings}
    with observed(what, "bodhi", "serve", "--port", str(port), under=under, environ=environ) as server:
        yield server, f"http://localhost:{port}"


def obey(control: socket.socket, observer: Observer) -> None:
    """Do what is asked on *control* until its other end closes."""
    with control.makefile("rw") as lines:
        for line in lines:
            result = observer.start() if line == "start\n" else observer.stop()
            lines.write(f"{json.dumps(result)}\n")
            lines.flush()


def main() -> None:
    """Read the command line, begin to obey, and run the module."""
    what, descriptor, module, *arguments = sys.argv[1:]
    observer: Observer
    if what == "calls":
        spec = find_spec("bodhi")
        assert spec is not None
        assert spec.origin is not None
        observer = CallCounter(Path(spec.origin).parent)
    else:
        observer = Marks()
    threading.Thread(target=obey, args=(socket.socket(fileno=int(descriptor)), observer), daemon=True).start()
    if isinstance(observer, CallCounter):
        observer.install()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
