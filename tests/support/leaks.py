"""Detect secrets in the log: every test checks its DEBUG log and fails if it finds one.

What counts is what :mod:`bodhi.logs` would write at that level: our own records, and those of libraries from INFO on.
Secrets are noted where they are made; any piece of :data:`PIECE` characters of one is a leak.
"""

import functools
import logging
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

PIECE = 8

_WORDS = re.compile("[a-z]+([ ,.-]+[a-z]+)+", re.IGNORECASE)
_known: set[str] = set()
_formatter = logging.Formatter()


class Leaks:
    """The log of one test, and of the processes that it started."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def look_at(self, output: str) -> None:
        """Add the output of a process."""
        self.texts.update(output.splitlines())

    def found(self) -> list[str]:
        """Return the log texts that contain a secret or a part of one."""
        if not self.texts:
            return []
        whole = [secret for secret in _known if _is_words(secret)]
        pieces = {piece for secret in _known if not _is_words(secret) for piece in _pieces_of(secret)}
        return [text for text in self.texts if _windows(text) & pieces or any(secret in text for secret in whole)]


@contextmanager
def watched() -> Iterator[Leaks]:
    """Capture everything logged inside, independent of levels and handlers; forget earlier secrets."""
    _hook_in()
    _known.clear()
    leaks = Leaks()
    enabled, handled = logging.Logger.isEnabledFor, logging.Logger.handle

    def is_enabled(logger: logging.Logger, level: int) -> bool:
        return level >= _level_of(logger) or enabled(logger, level)

    def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
        if record.levelno >= _level_of(logger):
            leaks.texts.add(_text_of(record))
        if enabled(logger, record.levelno):
            handled(logger, record)

    with (
        patch.object(logging.Logger, "isEnabledFor", is_enabled),
        patch.object(logging.Logger, "handle", handle),
    ):
        yield leaks


def _level_of(logger: logging.Logger) -> float:
    """Return the level from which :mod:`bodhi.logs` writes records, when set to DEBUG."""
    if logger.name == "aiohttp.access":  # the server has an access log of its own, without queries
        return math.inf
    return logging.DEBUG if logger.name.partition(".")[0] == "bodhi" else logging.INFO


def _text_of(record: logging.LogRecord) -> str:
    parts = [record.getMessage(), *(str(value) for value in getattr(record, "fields", {}).values())]
    if record.exc_info:
        parts.append(_formatter.formatException(record.exc_info))
    return "\n".join(parts)


def note(secret: str) -> str:
    """Record *secret* as a text that must not be logged, and return it."""
    if len(secret) >= PIECE:
        _known.add(secret)
    return secret


def note_settings(settings: Mapping[str, str]) -> None:
    """Record the secrets in the environment of a process."""
    for name, value in settings.items():
        if name.endswith("_URL"):
            _known.update(_password_in(value))
        elif name.endswith(("_KEY", "_SECRET")):
            _known.update(value.split(","))


def _pieces_of(secret: str) -> Iterable[str]:
    """Return all parts of a secret; of a token, those of payload and signature: its header is public."""
    parts = secret.split(".")[1:] if secret.count(".") >= 2 else [secret]
    return {piece for part in parts for piece in _windows(part)}


def _windows(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


def _is_words(secret: str) -> bool:
    """Return whether it consists of plain words, whose parts occur anywhere."""
    return _WORDS.fullmatch(secret) is not None


def _password_in(url: str) -> list[str]:
    password = urlsplit(url).password
    return [f":{password}@"] if password else []


# Where secrets are created or passed in: module, function, and which of its arguments and results are secrets.
_SOURCES: dict[tuple[str, str], Callable[..., Iterable[str | None]]] = {
    ("secrets", "token_urlsafe"): lambda made, *_: [made],
    ("bodhi.server.login.service", "_random"): lambda made, *_: [made],
    ("bodhi.oidc.responses", "ClientCredentials.__init__"): lambda _, __, ___, secret: [secret],
    ("bodhi.database.postgres", "PostgresDatabase.__init__"): lambda _, __, url, **___: _password_in(url),
    ("bodhi.keyring", "Keyring.__init__"): lambda _, __, keys, **___: [key for key in keys if isinstance(key, str)],
    ("bodhi.settings.description", "Settings.__init__"): lambda _, settings, *__, **___: [
        *settings.encryption_keys,
        settings.client_secret,
        settings.setup_secret,
    ],
    ("bodhi.testing.identity_provider.realm", "Realm.secret"): lambda secret, *_: [secret],
    ("bodhi.testing.identity_provider.signing", "SigningKeys.sign"): lambda token, *_, **__: [token],
}


def _hook_in() -> None:
    """Hook the sources imported so far; sources imported by a test are hooked from the next test on."""
    for source in [source for source in _SOURCES if source[0] in sys.modules]:
        module, path = source
        owner: Any = sys.modules[module]
        *outer, name = path.split(".")
        _listen(functools.reduce(getattr, outer, owner), name, _SOURCES.pop(source))


def _listen(owner: Any, name: str, secrets_in: Callable[..., Iterable[str | None]]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def listening(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        for secret in secrets_in(result, *arguments, **options):
            if secret:
                note(secret)
        return result

    setattr(owner, name, listening)
