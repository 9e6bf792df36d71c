"""Count calls of a package's functions, with ``sys.setprofile``."""

import operator
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from types import FrameType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class CallPath:
    """The number of calls of each function, by file below the package and name.

    An awaited coroutine counts once, however often it is resumed. Lambdas and comprehensions count as functions if
    Python calls them as such: comprehensions up to 3.11, from 3.12 on only generator expressions.
    """

    calls: Mapping[tuple[str, str], int]

    @property
    def functions(self) -> int:
        """The number of distinct functions."""
        return len(self.calls)

    @property
    def files(self) -> int:
        """The number of distinct files."""
        return len({file for file, _ in self.calls})

    @property
    def total(self) -> int:
        """The number of calls."""
        return sum(self.calls.values())

    @classmethod
    def common_to(cls, paths: Iterable["CallPath"]) -> Self:
        """Return the calls common to all *paths*, which excludes background work seen by only some of them."""
        counters = (Counter(path.calls) for path in paths)
        return cls(reduce(operator.and_, counters))


class CallCounter:
    """Counts calls between :meth:`start` and :meth:`stop`; install it in the event loop's thread."""

    def __init__(self, package: Path) -> None:
        self._prefix = f"{package}{os.sep}"
        self._is_counting = False
        # Count frames, not events: resuming a coroutine is an event too, with the frame of the original call.
        self._frames: set[FrameType] = set()
        self._frames_of_threads: set[FrameType] = set()

    def install(self) -> None:
        """Count calls in this thread, and in threads started from now on."""
        threading.setprofile(lambda frame, event, _: self._record(self._frames_of_threads, frame, event))
        sys.setprofile(lambda frame, event, _: self._record(self._frames, frame, event))

    def start(self) -> None:
        """Start counting."""
        self._frames.clear()
        self._frames_of_threads.clear()
        self._is_counting = True

    def stop(self) -> dict[str, list[Any]]:
        """Return the calls as (file, name, number): under ``loop`` of this thread, under ``threads`` of the others."""
        self._is_counting = False
        return {"loop": self._count_calls(self._frames), "threads": self._count_calls(self._frames_of_threads)}

    def _record(self, frames: set[FrameType], frame: FrameType, event: str) -> None:
        if self._is_counting and event == "call" and frame.f_code.co_filename.startswith(self._prefix):
            frames.add(frame)

    def _count_calls(self, frames: set[FrameType]) -> list[Any]:
        # The line number distinguishes lambdas of the same name.
        calls = Counter(
            (code.co_filename.removeprefix(self._prefix), f"{code.co_qualname}:{code.co_firstlineno}")
            for code in (frame.f_code for frame in frames)
        )
        return [[file, name, number] for (file, name), number in sorted(calls.items())]
