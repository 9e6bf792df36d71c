"""Run a server process on its own core."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A running :mod:`bench.application`."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def cpu_seconds(self) -> float:
        """The CPU time used so far by all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    @property
    def resident_megabytes(self) -> float:
        """The current resident memory."""
        match = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert match is not None
        return int(match[1]) / 1024


@contextmanager
def running(kind: str, url: str, core: int, *options: str) -> Iterator[Process]:
    """Run :mod:`bench.application` with sessions of this *kind* in the database of *url*."""
    with running_module("bench.application", kind, "--url", url, "--core", str(core), *options) as process:
        yield process


@contextmanager
def running_module(module: str, *arguments: str) -> Iterator[Process]:
    """Run a server module, which prints its port when it is ready and exits when its standard input closes."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            port = server.stdout.readline()
            if not port:
                raise RuntimeError(f"{' '.join(command)} did not start")
            yield Process(server.pid, int(port))
        finally:
            server.stdin.close()
