"""Run the test application as a process that can be killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

APP = Path(__file__).with_name("app.py")
START_SECONDS = 300.0


class AppProcess:
    """The application on a database, on a free port; *options* go to the session service."""

    def __init__(self, url: str, log: Path, **options: Any) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(APP), json.dumps({"url": url, **options})],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )

    async def ready(self) -> Self:
        """Return once it serves; raise :exc:`RuntimeError` with its log if it exits."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), START_SECONDS)
        if not line:
            status = await asyncio.to_thread(self._process.wait)
            raise RuntimeError(f"the application ended with status {status}:\n{self.log}")
        self.base_url = f"http://127.0.0.1:{int(line)}"
        return self

    @property
    def log(self) -> str:
        """The process's standard error."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()

    async def stop(self) -> int:
        """Stop the process; return its exit status."""
        self._process.terminate()
        return await asyncio.to_thread(self._process.wait, 300)

    def close(self) -> None:
        """Stop the process if it runs."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    async def __aenter__(self) -> Self:
        try:
            return await self.ready()
        except BaseException:
            self.close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
