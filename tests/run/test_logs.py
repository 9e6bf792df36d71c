"""The forms of log lines."""

import asyncio
import io
import json
import logging
import sys
from itertools import pairwise

import pytest

from bodhi import logs
from bodhi.database import DatabaseUnavailable
from bodhi.logs import REQUEST_ID
from bodhi.session import SessionUnavailable

TIME = 1_800_000_000.123


@pytest.fixture
def configured(monkeypatch):
    """Configures logging like a process; returns the output."""
    root, ours = logging.getLogger(), logging.getLogger("bodhi")
    kept = root.handlers[:], root.level, ours.level
    written = io.StringIO()

    def configure(level, form):
        monkeypatch.setattr(sys, "stderr", written)
        logs.configure(level, form)
        return written

    yield configure
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    ours.setLevel(kept[2])


@pytest.fixture
def request_id():
    """The id of the current request."""
    token = REQUEST_ID.set("0123456789abcdef")
    yield "0123456789abcdef"
    REQUEST_ID.reset(token)


def record_of(message, *arguments, exc_info=None, **extra):
    """Return a record of the logger ``bodhi.test`` with a fixed time."""
    record = logging.LogRecord("bodhi.test", logging.WARNING, __file__, 1, message, arguments, exc_info)
    record.created = TIME
    record.__dict__.update(extra)
    logs.RequestIdFilter().filter(record)
    return record


def failure():
    """Return the exception info of a caught exception."""
    try:
        raise ZeroDivisionError("division")
    except ZeroDivisionError:
        return sys.exc_info()


def test_text_has_time_level_logger_request_and_message(request_id):
    """In UTC, to the millisecond."""
    line = logs.TextFormatter().format(record_of("%d of %d", 1, 2))

    assert f"2027-01-15T08:00:00.123Z WARNING bodhi.test [{request_id}] 1 of 2" == line


def test_text_without_a_request_names_none():
    """At start and in the background."""
    assert "2027-01-15T08:00:00.123Z WARNING bodhi.test up" == logs.TextFormatter().format(record_of("up"))


def test_text_keeps_a_message_on_its_line():
    """Whatever a client got into it."""
    line = logs.TextFormatter().format(record_of("a\nb\r\x1b[31m\x85\u2028\u00e4"))

    assert line.endswith("bodhi.test a\\nb\\r\\x1b[31m\\x85\\u2028\u00e4")


def test_text_has_the_traceback_below():
    """For people."""
    first, second, *_, last = logs.TextFormatter().format(record_of("failed", exc_info=failure())).splitlines()

    assert (" failed", "Traceback (most recent call last):", "ZeroDivisionError: division") == (
        first[-7:],
        second,
        last,
    )


def test_json_is_an_object_a_line(request_id):
    """With the fields that a record brings, and the traceback in it."""
    fields = {"status": 200, "path": "/a\nb"}

    line = logs.JsonFormatter().format(record_of("a\nb", exc_info=failure(), fields=fields))

    assert 1 == len(line.splitlines())
    entry = json.loads(line)
    assert entry.pop("traceback").endswith("ZeroDivisionError: division")
    assert entry.pop("process") > 0
    assert {
        "time": "2027-01-15T08:00:00.123Z",
        "level": "WARNING",
        "logger": "bodhi.test",
        "request_id": request_id,
        "message": "a\nb",
        "status": 200,
        "path": "/a\nb",
    } == entry


@pytest.mark.parametrize("form", ["text", "json"])
def test_log_level_applies_to_bodhis_own_loggers(configured, form):
    """Other libraries stay at INFO: at DEBUG, aiosqlite writes every statement with its values."""
    written = configured("DEBUG", form)

    logging.getLogger("bodhi.test").debug("ours")
    logging.getLogger("aiosqlite").debug("theirs")
    logging.getLogger("aiosqlite").info("also")

    assert ["ours", "also"] == [word for word in ("ours", "theirs", "also") if word in written.getvalue()]
    assert 2 == len(written.getvalue().splitlines())


def test_less_severe_lines_are_left_out(configured):
    """Everybody's."""
    written = configured("ERROR", "text")

    logging.getLogger("bodhi.test").warning("ours")
    logging.getLogger("aiosqlite").warning("theirs")

    assert "" == written.getvalue()


def causes_logged(caplog):
    """How many failures, and by what cause, as the log says."""
    return [(record.fields["failures"], record.fields["cause"]) for record in caplog.records]


def test_failures_are_logged_once_a_minute_for_each_cause(caplog):
    """However many there are; the next line says how many."""
    now = 0.0
    failures = logs.FailureLog(logging.getLogger("bodhi.test"), "gone", clock=lambda: now)

    for _ in range(1_000):
        failures.note(OSError("refused"))
        failures.note(TimeoutError())
    now = 60.0
    failures.note(OSError("refused"))

    assert [(1, "refused"), (1, "TimeoutError"), (1_000, "refused")] == causes_logged(caplog)


@pytest.mark.parametrize(
    ("chain", "cause"),
    [
        ([DatabaseUnavailable(), TimeoutError(), asyncio.CancelledError()], "TimeoutError: CancelledError"),
        ([SessionUnavailable(), DatabaseUnavailable("disk full"), OSError("no space")], "disk full"),
        ([SessionUnavailable(), ConnectionResetError()], "ConnectionResetError"),
        ([TimeoutError(" \n"), OSError("refused\nDETAIL: a row")], "TimeoutError: refused"),
        ([DatabaseUnavailable()], DatabaseUnavailable.__doc__),
        ([KeyError()], "KeyError"),
    ],
)
def test_the_cause_of_a_failure_is_never_empty(chain, cause, caplog):
    """An error without a text is named, and one that says only what its class says gives way to its cause."""
    for error, below in pairwise(chain):
        error.__cause__ = below

    logs.FailureLog(logging.getLogger("bodhi.test"), "gone").note(chain[0])

    assert [(1, cause)] == causes_logged(caplog)


def test_causes_that_always_differ_share_a_line(caplog):
    """So that neither the log nor memory grows with them."""
    failures = logs.FailureLog(logging.getLogger("bodhi.test"), "gone", clock=lambda: 0.0)

    for number in range(1_000):
        failures.note(OSError(f"connection {number}"))

    assert logs.MOST_CAUSES + 1 == len(caplog.records)
