"""Counts the functions of one package that are entered, by ``sys.setprofile``."""

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
    """How often each function was called, by its file below the package and its name there.

    A coroutine that is awaited is one call, however often it is resumed. Lambdas and comprehensions are functions as
    well, as far as Python enters them as such: up to 3.11 a comprehension, from 3.12 on only a generator expression.
    """

    calls: Mapping[tuple[str, str], int]

    @property
    def functions(self) -> int:
        """Distinct functions."""
        return len(self.calls)

    @property
    def files(self) -> int:
        """Distinct files."""
        return len({file for file, _ in self.calls})

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.calls.values())

    @classmethod
    def common_to(cls, paths: Iterable["CallPath"]) -> Self:
        """What each of *paths* has: background work, which only some of them met, drops out."""
        counters = (Counter(path.calls) for path in paths)
        return cls(reduce(operator.and_, counters))


class CallCounter:
    """Counts between :meth:`start` and :meth:`stop`; install it in the thread of the event loop."""

    def __init__(self, package: Path) -> None:
        self._prefix = f"{package}{os.sep}"
        self._is_counting = False
        # Frames, not events: resuming a coroutine is an event as well, with the frame of the call that it belongs to.
        self._frames: set[FrameType] = set()
        self._frames_of_threads: set[FrameType] = set()

    def install(self) -> None:
        """Watch this thread, and those that are started from now on."""
        threading.setprofile(lambda frame, event, _: self._note(self._frames_of_threads, frame, event))
        sys.setprofile(lambda frame, event, _: self._note(self._frames, frame, event))

    def start(self) -> None:
        """Count from now on."""
        self._frames.clear()
        self._frames_of_threads.clear()
        self._is_counting = True

    def stop(self) -> dict[str, list[Any]]:
        """The calls in the thread of the event loop, and those in ``threads``, each as file, name and number."""
        self._is_counting = False
        return {"loop": self._counted(self._frames), "threads": self._counted(self._frames_of_threads)}

    def _note(self, frames: set[FrameType], frame: FrameType, event: str) -> None:
        if self._is_counting and event == "call" and frame.f_code.co_filename.startswith(self._prefix):
            frames.add(frame)

    def _counted(self, frames: set[FrameType]) -> list[Any]:
        # Two lambdas of one class have one name: the line tells them apart.
        calls = Counter(
            (code.co_filename.removeprefix(self._prefix), f"{code.co_qualname}:{code.co_firstlineno}")
            for code in (frame.f_code for frame in frames)
        )
        return [[file, name, number] for (file, name), number in sorted(calls.items())]
