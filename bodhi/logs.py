"""Logging to stderr as text or JSON, with the id of the request."""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from time import monotonic

from bodhi.errors import root_cause

REQUEST_ID: ContextVar[str | None] = ContextVar("REQUEST_ID", default=None)
"""Id of the current request; None outside of requests."""

# Line ends and terminal control characters: a client must not be able to forge log lines.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


LOG_SECONDS = 60.0  # between two log lines about the same event
MOST_CAUSES = 8  # logged separately; all others share a line

_encode = json.JSONEncoder(default=str).encode  # json.dumps would make an encoder for each line


class LogLimit:
    """Counts events between log lines."""

    def __init__(self, seconds: float = LOG_SECONDS, clock: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._count = 0
        self._next_at = -seconds

    def count(self, number: int = 1) -> int | None:
        """Add *number*; return the count since the last log line if the next one is due."""
        self._count += number
        now = self._clock()
        if now < self._next_at:
            return None
        self._next_at = now + self._seconds
        counted, self._count = self._count, 0
        return counted


class FailureLog:
    """Logs why something fails: a warning for each cause at most once a minute, however often it happens."""

    def __init__(self, logger: logging.Logger, event: str, clock: Callable[[], float] = monotonic) -> None:
        self._logger = logger
        self._event = event
        self._clock = clock
        self._limits: dict[str | None, LogLimit] = {}  # by the cause, None for all that are too many

    def note(self, error: BaseException) -> None:
        """Count a failure by *error*."""
        cause = root_cause(error)
        key = cause if cause in self._limits or len(self._limits) < MOST_CAUSES else None
        count = self._limits.setdefault(key, LogLimit(clock=self._clock)).count()
        if count is not None:
            fields = {"cause": cause, "failures": count}
            self._logger.warning("%s failures=%d cause: %s", self._event, count, cause, extra={"fields": fields})


class RequestIdFilter(logging.Filter):
    """Adds the id of the request to every record as ``request_id``."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = REQUEST_ID.get()
        return True


class MalformedRequestFilter(logging.Filter):
    """Leaves the kind of the error alone where aiohttp logs a request that it cannot read.

    The error and its traceback repeat the line that is malformed: a session cookie, a token in the target.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and any(map(_repeats_request, _chain_of(error))):
            record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}", ()
            record.exc_info = record.exc_text = None
        return True


_malformed_request_filter = MalformedRequestFilter()


class TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.000Z INFO bodhi.access [request] message``; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        request_id = getattr(record, "request_id", None)
        request = f" [{request_id}]" if request_id else ""
        message = _CONTROL.sub(_escaped, record.getMessage())
        line = f"{_time_of(record)} {record.levelname} {record.name}{request} {message}"
        return "\n".join([line, *_traceback_of(self, record)])


class JsonFormatter(logging.Formatter):
    """One JSON object per line, with the record's ``fields`` beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, "fields", {})
        entry = {
            "time": _time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "request_id": getattr(record, "request_id", None),
            "message": record.getMessage(),
            **fields,
        }
        if traceback := _traceback_of(self, record):
            entry["traceback"] = "\n".join(traceback)
        return _encode(entry)


FORMATTERS: Mapping[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}


def configure(level: str, form: str) -> None:
    """Log records of *level* and above to stderr, formatted by one of :data:`FORMATTERS`."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATTERS[form]())
    handler.addFilter(RequestIdFilter())
    logging.getLogger().handlers[:] = [handler]
    set_level(level)


def set_level(level: str) -> None:
    """Change the minimum level of log records."""
    severity = logging.getLevelNamesMapping()[level]
    logging.getLogger("bodhi").setLevel(severity)
    # aiosqlite's DEBUG lines hold every statement with its values.
    logging.getLogger().setLevel(max(severity, logging.INFO))


def hide_malformed_requests() -> None:
    """From now on, nothing of a malformed request gets into the log of aiohttp's servers in this process."""
    logging.getLogger("aiohttp.server").addFilter(_malformed_request_filter)


def _repeats_request(error: BaseException) -> bool:
    from aiohttp import http_exceptions, web  # here, for commands write logs without it

    return isinstance(error, http_exceptions.HttpProcessingError | web.RequestPayloadError)


def _chain_of(error: BaseException | None) -> Sequence[BaseException]:
    """Return *error* and the errors that a traceback shows before it."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(match: "re.Match[str]") -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _traceback_of(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return parts
