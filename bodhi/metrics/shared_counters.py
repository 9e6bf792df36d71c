"""Where the processes of a server put their numbers, so that any of them can tell the sum."""

import logging
import mmap
import struct
import time
import zlib
from collections.abc import Sequence

import msgspec

from bodhi.errors import BodhiError
from bodhi.metrics.snapshot import LIVE_SECONDS, Snapshot, together

PUBLISH_SECONDS = 1.0
FRESH_SECONDS = 5 * PUBLISH_SECONDS
READINGS = 1_000  # of one place: the writer may be at either half, but rests for most of the time
HALF = 256 * 1024  # bytes; only what is written takes memory

_HEAD = struct.Struct("<QII")  # number of the writing, its length, its checksum

log = logging.getLogger(__name__)


class SharedCounters:
    """A place for each process, in memory that they share because they are forked.

    A place outlives its process: whoever takes it over goes on from the counts that are there, so that a process that
    dies, however it dies, loses no more than its last second, and nothing that was told before.
    """

    def __init__(self, places: int) -> None:
        self._memory = mmap.mmap(-1, places * 2 * HALF)
        self._places = range(places)

    def take(self, place: int) -> "Slot":
        """The place for this process alone. Its last holder has ended."""
        return Slot(self, place)

    def read(self) -> Sequence[Snapshot]:
        """What stands in all places."""
        return [self._newest(place)[1] for place in self._places]

    def _newest(self, place: int) -> tuple[int, Snapshot]:
        """The last writing in a place, counted from 1, and what it says; 0 where there is none."""
        for _ in range(READINGS):
            turn, data = max(self._half(place, number) for number in (0, 1))
            if turn >= 0:
                return turn, msgspec.msgpack.decode(data, type=Snapshot) if data else Snapshot()
        raise BodhiError("the metrics of another process cannot be read: it never stops writing them")

    def _half(self, place: int, number: int) -> tuple[int, bytes]:
        """The number of the writing and its data; -1 where it is under way, or was when its process was killed."""
        start = (2 * place + number) * HALF
        turn, length, checksum = _HEAD.unpack_from(self._memory, start)
        data = self._memory[start + _HEAD.size : start + _HEAD.size + length]
        return (turn, data) if zlib.crc32(data) == checksum else (-1, b"")

    def _write(self, place: int, turn: int, data: bytes) -> None:
        # The two halves in turns: who is killed while writing leaves the one before whole.
        start = (2 * place + turn % 2) * HALF
        self._memory[start + _HEAD.size : start + _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, start, turn, len(data), zlib.crc32(data))


class Slot:
    """One process's place on the board."""

    def __init__(self, board: SharedCounters, place: int) -> None:
        self._board = board
        self._place = place
        self._turn, self._past = board._newest(place)
        self._is_full = False

    def put(self, now: Snapshot) -> None:
        """Tell the numbers of this process as they are *now*."""
        data = msgspec.msgpack.encode(now.after(self._past))
        if len(data) > HALF - _HEAD.size:
            if not self._is_full:
                log.error("the metrics take %d bytes, more than there is room for: they stand still", len(data))
            self._is_full = True
            return
        self._turn += 1
        self._board._write(self._place, self._turn, data)

    def total(self, *, now: float | None = None) -> Snapshot:
        """The sum over all places; *now* is seconds since 1970."""
        now = time.time() if now is None else now
        return together(self._board.read(), levels_since=now - FRESH_SECONDS, live_since=now - LIVE_SECONDS)
