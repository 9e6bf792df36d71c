"""The test application as a process that may be killed."""

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
    """The application on a database, serving on a port of its own; *options* are the session service's."""

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
        """Returns once it serves; :exc:`RuntimeError` with its log if it ends instead."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), START_SECONDS)
        if not line:
            status = await asyncio.to_thread(self._process.wait)
            raise RuntimeError(f"the application ended with status {status}:\n{self.log}")
        self.base_url = f"http://127.0.0.1:{int(line)}"
        return self

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Ends it as kill -9 does."""
        self._process.kill()
        self._process.wait()

    async def stop(self) -> int:
        """Ends it in order; its exit status."""
        self._process.terminate()
        return await asyncio.to_thread(self._process.wait, 300)

    def close(self) -> None:
        """Ends it if it still runs."""
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
