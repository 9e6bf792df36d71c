"""The encryption keys of a standalone server that was given none: a file of its own in its home."""

import logging
import os
import secrets
import stat
import tempfile
from pathlib import Path

from bodhi.errors import ConfigurationError
from bodhi.settings.kinds import keys
from bodhi.settings.names import BODHI_ENCRYPTION_KEY, BODHI_HOME

FILE_NAME = "encryption.key"

log = logging.getLogger(__name__)


def new_key() -> str:
    """A fresh encryption key: 256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def keys_of(home: Path, place: str) -> tuple[str, ...]:
    """The keys of the key file in *home*, newest first; file and folder are made when missing.

    *place* says where *home* was set. Processes that start at once get the same keys. Raises
    :exc:`ConfigurationError` when the folder cannot be written, or the file is open to other users or damaged.
    """
    path = home / FILE_NAME
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise ConfigurationError(
            f"{BODHI_HOME} ({place}): the key file {path} cannot be used: {error.strerror};"
            f" allowed: a folder that can be written, or keys in {BODHI_ENCRYPTION_KEY}"
        ) from error


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked into place: the name appears with its whole content or not at all, and only once,
    # so that of two processes one makes the file and both read it.
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{new_key()}\n")
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(aside, path)
        except FileExistsError:
            return  # the other process says so
        log.info("made the key file %s: what is stored is encrypted with it, and cannot be read without it", path)
    finally:
        Path(aside).unlink()


def _read(path: Path) -> tuple[str, ...]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigurationError(
            f"{BODHI_ENCRYPTION_KEY} (key file {path}): other users may use it (mode {mode:04o});"
            f" allowed: mode 0600, as chmod 600 sets it"
        )
    kind = keys()
    try:
        return kind.parse(path.read_text("utf-8").strip())
    except ValueError as error:
        reason = "is not text" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigurationError(
            f"{BODHI_ENCRYPTION_KEY} (key file {path}): {reason}; allowed: {kind.allowed}"
        ) from None
