"""Run the examples as separate processes, like a reader would."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.ports import free_port

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DEADLINE_SECONDS = 300


@dataclass(frozen=True)
class Example:
    """A running example; its output is in *log*."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> int:
        """Send SIGTERM, like systemd and Docker, and return the exit status."""
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)


Run = Callable[..., Awaitable[Example]]


@pytest.fixture
def key() -> str:
    """An encryption key."""
    return "a-key-for-the-examples-that-is-at-least-32-characters-long"


@pytest.fixture
def run_to_the_end(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs an example that ends by itself."""

    def run(path: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, EXAMPLES / path],
            env={**_environment(), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    return run


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Starts ``examples/<path>`` with these settings, and waits until it listens."""
    started: list[Example] = []

    async def start(path: str, **environment: str) -> Example:
        port = free_port()
        log = tmp_path / f"example-{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                # Warnings would be the first that a reader sees of the library.
                [sys.executable, "-W", "error", EXAMPLES / path],
                env={**_environment(), "BODHI_HOST": "127.0.0.1", "BODHI_PORT": str(port), **environment},
                cwd=tmp_path,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        example = Example(f"http://127.0.0.1:{port}", process, log)
        started.append(example)
        await _until_it_listens(example, port)
        return example

    yield start
    for example in started:
        example.process.kill()
        example.process.wait(DEADLINE_SECONDS)


def _environment() -> dict[str, str]:
    """Return an environment with PATH and an empty home."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}


async def _until_it_listens(example: Example, port: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and example.process.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        return
    pytest.fail(f"{example.process.args!r} does not listen:\n{example.log.read_text()}")
