"""A manual clock for the running event loop."""

import asyncio


class LoopClock:
    """Replaces the time of the event loop's timers."""

    def __init__(self, ahead_seconds: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        self._time = loop.time
        self._ahead_seconds = ahead_seconds
        loop.time = self  # type: ignore[method-assign]

    def __call__(self) -> float:
        return self._time() + self._ahead_seconds

    async def move(self, seconds: float) -> None:
        """Advance the clock, after pending callbacks ran; due timers have run afterwards."""
        await _turns()
        self._ahead_seconds += seconds
        await _turns()


async def _turns() -> None:
    for _ in range(8):
        await asyncio.sleep(0)
