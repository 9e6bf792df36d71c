"""``bodhi serve`` as real processes, on free ports."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import bodhi
from support.leaks import Leaks, note_settings
from support.patience import PATIENT_ENVIRON

DEADLINE_SECONDS = 300
READY = re.compile(r"bodhi is ready on (?P<url>http://\S+:(?P<port>\d+)) \((?P<facts>.*)\)\n")


@dataclass
class Process:
    """A running ``python -m bodhi serve``."""

    popen: "subprocess.Popen[bytes]"
    stderr_path: Path
    ready_line: str = ""
    further_output: bytes = b""  # what came with the ready line, after it

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._ready["url"]

    @property
    def port(self) -> int:
        """The server's port."""
        return int(self._ready["port"])

    @property
    def stderr(self) -> str:
        """Everything written to stderr."""
        return self.stderr_path.read_text()

    def wait_until_ready(self) -> None:
        """Return after the ready line; fail on anything else."""
        assert self.popen.stdout is not None
        output = bytearray()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not output.endswith(b"\n"):
            readable, _, _ = select.select([self.popen.stdout], [], [], deadline - time.monotonic())
            byte = os.read(self.popen.stdout.fileno(), 4096) if readable else b""
            assert byte, f"not ready, status {self.popen.poll()}; stderr: {self.stderr}"
            output += byte
        first, newline, self.further_output = bytes(output).partition(b"\n")
        self.ready_line = (first + newline).decode()
        assert READY.fullmatch(self.ready_line), self.ready_line

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes."""
        return psutil.Process(self.popen.pid).children()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(DEADLINE_SECONDS)

    def rest_of_stdout(self) -> bytes:
        """Return the output after the ready line; the process must have ended."""
        assert self.popen.stdout is not None
        return self.further_output + self.popen.stdout.read()

    def close(self) -> None:
        """Kill the process and all its workers."""
        assert self.popen.stdout is not None
        if self.popen.poll() is None:
            for process in self.workers():
                process.kill()
            self.popen.kill()
        self.popen.wait(DEADLINE_SECONDS)
        self.popen.stdout.close()

    @property
    def _ready(self) -> "re.Match[str]":
        match = READY.fullmatch(self.ready_line)
        assert match is not None
        return match


Start = Callable[..., Process]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of a server process: a home, and long timeouts for busy machines."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    # The package may not be installed, only present in the working directory.
    ours = {"BODHI_HOME": str(tmp_path / "bodhi"), **PATIENT_ENVIRON}
    return {**inherited, **ours, "PYTHONPATH": str(Path(bodhi.__file__).parents[1])}


@pytest.fixture
def launch(environ: dict[str, str], tmp_path: Path, leaks: Leaks) -> Iterator[Start]:
    """Starts servers on free ports and stops them after the test; fails if one writes a secret."""
    launched: list[Process] = []

    def launch(*arguments: str, program: Sequence[str] = ("-m", "bodhi"), **settings: str) -> Process:
        note_settings({**environ, **settings})
        stderr_path = tmp_path / f"stderr-{len(launched)}"
        with stderr_path.open("w") as stderr:
            popen = subprocess.Popen(
                [sys.executable, *program, "serve", *arguments],
                cwd=tmp_path,
                env={**environ, "BODHI_PORT": "0", "BODHI_HOST": "127.0.0.1", **settings},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
            )
        process = Process(popen, stderr_path)
        launched.append(process)
        return process

    yield launch
    for process in launched:
        process.close()
        leaks.look_at(process.stderr)


@pytest.fixture
def serve(launch: Start) -> Start:
    """Starts servers and waits until they are ready."""

    def serve(*arguments: str, **settings: str) -> Process:
        process = launch(*arguments, **settings)
        process.wait_until_ready()
        return process

    return serve
