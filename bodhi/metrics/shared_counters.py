"""Counters in shared memory, so that every process of a server can return the sum."""

import logging
import mmap
import struct
import time
import zlib
from collections.abc import Sequence

import msgspec

from bodhi.errors import BodhiError
from bodhi.metrics.snapshot import LIVE_SECONDS, Snapshot, merge_snapshots

PUBLISH_SECONDS = 1.0
FRESH_SECONDS = 5 * PUBLISH_SECONDS
MAX_READS = 1_000  # of a slot: a read fails while a half is being written, which is rare
HALF = 256 * 1024  # bytes; only written pages use memory

_HEAD = struct.Struct("<QII")  # sequence number, length, checksum

log = logging.getLogger(__name__)


class SharedCounters:
    """One slot per process, in memory shared by fork.

    A slot survives its worker: the replacement resumes its counters, so a crash loses at most one second.
    """

    def __init__(self, places: int) -> None:
        self._memory = mmap.mmap(-1, places * 2 * HALF)
        self._places = range(places)

    def take(self, place: int) -> "Slot":
        """Return the slot of this process; its previous owner has ended."""
        return Slot(self, place)

    def read(self) -> Sequence[Snapshot]:
        """Return the snapshots of all slots."""
        return [self._newest(place)[1] for place in self._places]

    def _newest(self, place: int) -> tuple[int, Snapshot]:
        """Return sequence number, counted from 1, and content of the last write to a slot; 0 if there is none."""
        for _ in range(MAX_READS):
            turn, data = max(self._half(place, number) for number in (0, 1))
            if turn >= 0:
                return turn, msgspec.msgpack.decode(data, type=Snapshot) if data else Snapshot()
        raise BodhiError("the metrics of another process cannot be read: they change during every read")

    def _half(self, place: int, number: int) -> tuple[int, bytes]:
        """Return sequence number and data of a half; -1 if a write is in progress or was interrupted."""
        start = (2 * place + number) * HALF
        turn, length, checksum = _HEAD.unpack_from(self._memory, start)
        data = self._memory[start + _HEAD.size : start + _HEAD.size + length]
        return (turn, data) if zlib.crc32(data) == checksum else (-1, b"")

    def _write(self, place: int, turn: int, data: bytes) -> None:
        # The halves are written alternately: a process killed while writing leaves the previous one intact.
        start = (2 * place + turn % 2) * HALF
        self._memory[start + _HEAD.size : start + _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._memory, start, turn, len(data), zlib.crc32(data))


class Slot:
    """One process's slot."""

    def __init__(self, board: SharedCounters, place: int) -> None:
        self._board = board
        self._place = place
        self._turn, self._past = board._newest(place)
        self._is_full = False

    def put(self, now: Snapshot) -> None:
        """Publish the counters of this process."""
        data = msgspec.msgpack.encode(now.after(self._past))
        if len(data) > HALF - _HEAD.size:
            if not self._is_full:
                log.error("metrics take %d bytes, more than the shared memory holds: no longer updated", len(data))
            self._is_full = True
            return
        self._turn += 1
        self._board._write(self._place, self._turn, data)

    def total(self, *, now: float | None = None) -> Snapshot:
        """Return the sum over all slots; *now* is seconds since 1970."""
        now = time.time() if now is None else now
        return merge_snapshots(self._board.read(), levels_since=now - FRESH_SECONDS, live_since=now - LIVE_SECONDS)
