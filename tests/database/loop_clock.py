"""The clock of the running event loop, to be moved forward."""

import asyncio


class LoopClock:
    """What timers go by, from now on."""

    def __init__(self, ahead_seconds: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        self._time = loop.time
        self._ahead_seconds = ahead_seconds
        loop.time = self  # type: ignore[method-assign]

    def __call__(self) -> float:
        return self._time() + self._ahead_seconds

    async def move(self, seconds: float) -> None:
        """Let what has begun take its place, and then so much time pass: what is due by then has been done."""
        await _turns()
        self._ahead_seconds += seconds
        await _turns()


async def _turns() -> None:
    for _ in range(8):
        await asyncio.sleep(0)
