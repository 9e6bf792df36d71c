"""Output of commands: JSON, texts, times and progress."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

_encode = json.JSONEncoder().encode  # json.dumps creates an encoder per call; ASCII output cannot control the terminal

REPORT_SECONDS = 1.0  # between two progress lines


def print_json(value: object) -> None:
    """Print *value* as indented JSON, in ASCII: user-supplied names cannot control the terminal."""
    click.echo(json.dumps(value, indent=2))


def json_line(value: object) -> str:
    """Return *value* as a line of JSON."""
    return f"{_encode(value)}\n"


def print_json_line(value: object) -> None:
    """Print *value* as a line of JSON (JSON Lines)."""
    click.echo(json_line(value), nl=False)


def plain(text: str) -> str:
    """Return *text* without terminal control characters: names are user-supplied."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def time_of(moment: datetime | None) -> str | None:
    """Return ``2026-01-31 12:00:00`` (UTC), or None."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def json_time(moment: datetime | None) -> str | None:
    """Return ``2026-01-31T12:00:00Z``, or None."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


class Progress:
    """Progress lines on stderr, at most one per second, with the rate.

    *line* formats the arguments of :meth:`report`, and *share* returns the completed fraction, if known.
    """

    def __init__(self, line: Callable[..., str], *, share: Callable[..., float] | None = None) -> None:
        self._line = line
        self._share = share
        self._began = self._reported_at = time.monotonic()

    def report(self, sessions: int, *more: Any) -> None:
        """Print how many *sessions* were processed so far, and *more*, unless the last line is recent."""
        now = time.monotonic()
        if now - self._reported_at < REPORT_SECONDS:
            return
        self._reported_at = now
        share = "" if self._share is None else f"{self._share(sessions, *more):.0%}, "
        rate = sessions / (now - self._began or 1)
        click.echo(f"{self._line(sessions, *more)} ({share}{rate:.0f} a second)", err=True)
