"""Supervisor that starts, replaces and stops worker processes on one port.

The supervisor has no event loop and no threads, so that it can fork; workers share what it has imported.
"""

import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import ForkProcess

from bodhi.errors import BodhiError, ConfigurationError
from bodhi.metrics.shared_counters import SharedCounters
from bodhi.run.metrics import MetricsPort
from bodhi.run.process import serve_in_process
from bodhi.run.sockets import share
from bodhi.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)
READY = ""
SETTLED_SECONDS = 5.0  # a worker that lived this long did not die of its start
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0

log = logging.getLogger(__name__)


class WorkerFailed(BodhiError):
    """A worker process ended before it was ready."""


@dataclass
class _Worker:
    """A worker slot: its current process, and when the next one may start."""

    process: ForkProcess | None = None
    status: connection.Connection | None = None
    started_at: float = 0.0
    early_deaths: int = 0
    next_start_at: float = 0.0
    is_ready: bool = False


class Supervisor:
    """Keeps ``settings.workers`` processes serving on the sockets *bound*, which hold the port and never listen."""

    def __init__(
        self, settings: Settings, bound: Sequence[socket.socket], metrics: Sequence[socket.socket] = ()
    ) -> None:
        """*metrics* are the sockets on which every worker serves ``/metrics``."""
        self._settings = settings
        self._bound = bound
        self._metrics = metrics
        self._board = SharedCounters(settings.workers) if metrics else None
        self._fork = multiprocessing.get_context("fork")
        self._workers = [_Worker() for _ in range(settings.workers)]
        # Nobody writes to it; workers read its end of file when this process is gone, however it went.
        self._lifeline, self._life = os.pipe()
        self._wakeup, self._waker = socket.socketpair()
        self._signals: list[int] = []

    def run(self, ready: Callable[[], None]) -> int:
        """Serve until SIGTERM or SIGINT and return the exit status; *ready* is called when all workers are.

        Raises what kept the first workers from starting.
        """
        with self._received_signals():
            try:
                announced = False
                while not self._signals:
                    self._start_missing()
                    self._wait(self._next_start_at())
                    self._read_worker_messages(is_starting=not announced)
                    if not announced and all(worker.is_ready for worker in self._workers):
                        announced = True
                        ready()
                    self._reap(is_starting=not announced)
                log.info("ending %d workers", len(self._processes()))
            finally:
                self._end()
        return 0

    # The life of a worker.

    def _start_missing(self) -> None:
        for worker in self._workers:
            if worker.process is None and worker.next_start_at <= time.monotonic():
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        worker.status, its_end = multiprocessing.Pipe(duplex=False)
        place = self._workers.index(worker)
        worker.process = self._fork.Process(target=self._work, args=(its_end, place), name="bodhi-worker")
        worker.started_at = time.monotonic()
        worker.is_ready = False
        # Blocked until the child has let go of this process's handlers, so that it never answers a signal for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            worker.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        its_end.close()

    def _work(self, status: connection.Connection, place: int) -> None:
        """The worker process."""
        signal.set_wakeup_fd(-1)
        # A terminal's Ctrl-C reaches every process of the group: the supervisor speaks for all.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(self._life)
        bound = share(self._bound)
        metrics = MetricsPort(share(self._metrics), self._board.take(place)) if self._board is not None else None
        for one in (*self._bound, *self._metrics):
            one.close()
        try:
            serve_in_process(
                self._settings, bound, lambda: status.send(READY), lifeline=self._lifeline, metrics=metrics
            )
        except BodhiError as error:
            status.send(str(error))
            raise SystemExit(error.exit_status) from None

    def _read_worker_messages(self, *, is_starting: bool) -> None:
        for worker, message in self._receive_messages():
            if message == READY:
                worker.is_ready = True
            elif is_starting:
                raise ConfigurationError(message)
            else:
                log.error("worker failed to start: %s", message)

    def _receive_messages(self) -> Iterator[tuple[_Worker, str]]:
        """Yield the new messages of workers; each worker sends at most one."""
        for worker in self._workers:
            if worker.status is None or not worker.status.poll():
                continue
            with worker.status as status, suppress(EOFError):
                worker.status = None
                yield worker, status.recv()

    def _reap(self, *, is_starting: bool) -> None:
        for worker, process in self._ended():
            how = _describe_exit(process.exitcode)
            if is_starting:
                raise WorkerFailed(f"a worker {how} before it was ready")
            is_early = time.monotonic() - worker.started_at < SETTLED_SECONDS
            worker.early_deaths = worker.early_deaths + 1 if is_early else 0
            pause = _pause_after(worker.early_deaths)
            worker.next_start_at = time.monotonic() + pause
            log.warning("worker %s %s, restarting in %g s", process.pid, how, pause)

    def _ended(self) -> list[tuple[_Worker, ForkProcess]]:
        """Return the processes that have ended, and free their slots."""
        ended = [(worker, worker.process) for worker in self._workers if worker.process]
        ended = [(worker, process) for worker, process in ended if not process.is_alive()]
        for worker, _ in ended:
            worker.process = None
        return ended

    def _end(self) -> None:
        """Terminate all workers; kill them after the time limit or at a second signal."""
        settings = self._settings
        deadline = time.monotonic() + settings.shutdown_delay_seconds + settings.shutdown_timeout_seconds
        signals_before = max(len(self._signals), 1)
        for process in self._processes():
            process.terminate()
        while self._processes() and time.monotonic() < deadline and len(self._signals) <= signals_before:
            self._wait(deadline)
            self._ended()
            list(self._receive_messages())  # discarded
        for process in self._processes():
            log.warning("worker %s killed: it did not end in time", process.pid)
            process.kill()
            process.join()

    # Waiting.

    def _processes(self) -> list[ForkProcess]:
        return [worker.process for worker in self._workers if worker.process is not None]

    def _next_start_at(self) -> float | None:
        missing = [worker.next_start_at for worker in self._workers if worker.process is None]
        return min(missing, default=None)

    def _wait(self, until: float | None) -> None:
        """Wait for a signal, a message or the end of a worker, at most until *until*."""
        sources: list[socket.socket | connection.Connection | int] = [self._wakeup]
        sources += [worker.status for worker in self._workers if worker.status is not None]
        # Includes workers that have already ended but were not reaped yet.
        sources += [process.sentinel for process in self._processes()]
        if self._wakeup in connection.wait(sources, None if until is None else max(0.0, until - time.monotonic())):
            self._wakeup.recv(1024)

    @contextmanager
    def _received_signals(self) -> Iterator[None]:
        self._wakeup.setblocking(False)
        self._waker.setblocking(False)
        handlers = {number: signal.signal(number, lambda got, _: self._signals.append(got)) for number in SIGNALS}
        wakeup = signal.set_wakeup_fd(self._waker.fileno())
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _pause_after(early_deaths: int) -> float:
    """Return the delay of a restart in seconds: none after the first early death, then doubled each time."""
    if early_deaths <= 1:
        return 0.0
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(early_deaths - 2, 100))


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}"
