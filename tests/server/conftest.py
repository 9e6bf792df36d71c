"""The server as real processes, and in this process with routes of a test's own."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from aiohttp import web

import bodhi
from bodhi.app import create_app
from bodhi.server.runner import Runner
from bodhi.settings import load_settings

DEADLINE_SECONDS = 30
READY = re.compile(r"bodhi is ready on (?P<url>http://\S+:(?P<port>\d+)) \((?P<facts>.*)\)\n")


@dataclass
class Process:
    """A running ``python -m bodhi serve``."""

    popen: subprocess.Popen
    stderr_path: Path
    ready_line: str = ""
    further_output: bytes = b""  # what came with the ready line, after it

    @property
    def url(self):
        """Where it listens."""
        return READY.fullmatch(self.ready_line)["url"]

    @property
    def port(self):
        """Its port."""
        return int(READY.fullmatch(self.ready_line)["port"])

    @property
    def stderr(self):
        """All that it wrote to stderr."""
        return self.stderr_path.read_text()

    def wait_until_ready(self):
        """Returns when the ready line came; fails when something else happened."""
        output = bytearray()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not output.endswith(b"\n"):
            readable, _, _ = select.select([self.popen.stdout], [], [], deadline - time.monotonic())
            byte = os.read(self.popen.stdout.fileno(), 4096) if readable else b""
            assert byte, f"not ready, status {self.popen.poll()}; stderr: {self.stderr}"
            output += byte
        first, newline, self.further_output = output.partition(b"\n")
        self.ready_line = (first + newline).decode()
        assert READY.fullmatch(self.ready_line), self.ready_line

    def workers(self):
        """Its worker processes."""
        return psutil.Process(self.popen.pid).children()

    def stop(self, number=signal.SIGTERM):
        """The exit status after a signal."""
        self.popen.send_signal(number)
        return self.popen.wait(DEADLINE_SECONDS)

    def rest_of_stdout(self):
        """What it wrote after the ready line; it must have ended."""
        return self.further_output + self.popen.stdout.read()

    def close(self):
        """End it and all its workers, whatever state they are in."""
        if self.popen.poll() is None:
            for process in [*self.workers(), self.popen]:
                process.kill()
        self.popen.wait(DEADLINE_SECONDS)
        self.popen.stdout.close()


@pytest.fixture
def environ(tmp_path):
    """The environment of a process that has nothing set but its home."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BODHI_")}
    # Beside the working directory there may be no installed package.
    return {**inherited, "BODHI_HOME": str(tmp_path / "bodhi"), "PYTHONPATH": str(Path(bodhi.__file__).parents[1])}


@pytest.fixture
def launch(environ, tmp_path):
    """Starts servers on free ports, and ends them after the test."""
    launched = []

    def launch(*arguments, program=("-m", "bodhi"), **settings):
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


@pytest.fixture
def serve(launch):
    """Starts servers and waits until they are ready."""

    def serve(*arguments, **settings):
        process = launch(*arguments, **settings)
        process.wait_until_ready()
        return process

    return serve


@pytest.fixture
def make_settings(tmp_path):
    """Makes settings of *environ* alone."""
    return lambda **environ: load_settings(environ={"BODHI_HOME": str(tmp_path / "bodhi"), **environ}, cwd=tmp_path)


@pytest.fixture
async def run_app(make_settings):
    """Runs the application in this process, with *routes* beside its own; answers the runner and the port."""
    runners = []

    async def run_app(*routes, grace_seconds=10.0):
        app = create_app(make_settings())
        app.add_routes(routes)
        runner = Runner(app, grace_seconds=grace_seconds)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, site.port

    yield run_app
    for runner in runners:
        await runner.cleanup()
