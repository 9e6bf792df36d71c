"""Secrets that got into the log: every test looks, at the level of DEBUG, and fails if there is one.

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
    """What was logged during one test, and by processes that it started."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def look_at(self, output: str) -> None:
        """Counts what a process wrote as logged."""
        self.texts.update(output.splitlines())

    def found(self) -> list[str]:
        """The texts that hold a secret, or a piece of one."""
        if not self.texts:
            return []
        whole = [secret for secret in _known if _is_words(secret)]
        pieces = {piece for secret in _known if not _is_words(secret) for piece in _pieces_of(secret)}
        return [text for text in self.texts if _windows(text) & pieces or any(secret in text for secret in whole)]


@contextmanager
def watched() -> Iterator[Leaks]:
    """What is logged inside, whatever the levels and handlers are; secrets from before are forgotten."""
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
    """From where on :mod:`bodhi.logs` writes its records, at DEBUG."""
    if logger.name == "aiohttp.access":  # the server has an access log of its own, without queries
        return math.inf
    return logging.DEBUG if logger.name.partition(".")[0] == "bodhi" else logging.INFO


def _text_of(record: logging.LogRecord) -> str:
    parts = [record.getMessage(), *(str(value) for value in getattr(record, "fields", {}).values())]
    if record.exc_info:
        parts.append(_formatter.formatException(record.exc_info))
    return "\n".join(parts)


def note(secret: str) -> str:
    """The same text, which belongs into no log."""
    if len(secret) >= PIECE:
        _known.add(secret)
    return secret


def note_settings(settings: Mapping[str, str]) -> None:
    """The secrets in the environment of a process, which makes further ones that nobody here knows."""
    for name, value in settings.items():
        if name.endswith("_URL"):
            _known.update(_password_in(value))
        elif name.endswith(("_KEY", "_SECRET")):
            _known.update(value.split(","))


def _pieces_of(secret: str) -> Iterable[str]:
    """All pieces of a secret; of a token, those of its payload and its signature: everybody may see its header."""
    parts = secret.split(".")[1:] if secret.count(".") >= 2 else [secret]
    return {piece for part in parts for piece in _windows(part)}


def _windows(text: str) -> set[str]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


def _is_words(secret: str) -> bool:
    """Whether it is in plain words, pieces of which are anywhere."""
    return _WORDS.fullmatch(secret) is not None


def _password_in(url: str) -> list[str]:
    password = urlsplit(url).password
    return [f":{password}@"] if password else []


# Where secrets are made, or come from a test: module, what is called, and which of its arguments and results are some.
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
    """Listen to the sources that have been imported; those that a test imports are heard from the next one on."""
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
