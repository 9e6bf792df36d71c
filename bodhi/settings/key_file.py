"""Key file of a standalone server without BODHI_ENCRYPTION_KEY."""

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
    """Generate an encryption key: 256 random bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def read_or_create_keys(home: Path, place: str) -> tuple[str, ...]:
    """Return the keys of the key file in *home*, newest first; create file and folder if missing.

    *place* is where *home* was set. Processes that start at once get the same keys. Raises
    :exc:`ConfigurationError` if the folder is not writable, or the file is accessible to other users or damaged.
    """
    path = home / FILE_NAME
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise ConfigurationError(
            f"{BODHI_HOME} ({place}): the key file {path} cannot be used: {error.strerror};"
            f" allowed: a writable folder, or keys in {BODHI_ENCRYPTION_KEY}"
        ) from error


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Write a temporary file and link it into place: the key file appears complete or not at all, and only once,
    # so that of two processes one creates the file and both read it.
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{new_key()}\n")
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(aside, path)
        except FileExistsError:
            return  # the other process logs it
        log.info("key file created: %s; keep it, stored sessions cannot be decrypted without it", path)
    finally:
        Path(aside).unlink()


def _read(path: Path) -> tuple[str, ...]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigurationError(
            f"{BODHI_ENCRYPTION_KEY} (key file {path}): other users have access to it (mode {mode:04o});"
            f" allowed: mode 0600, run chmod 600 {path}"
        )
    kind = keys()
    try:
        return kind.parse(path.read_text("utf-8").strip())
    except ValueError as error:
        reason = "is not text" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigurationError(
            f"{BODHI_ENCRYPTION_KEY} (key file {path}): {reason}; allowed: {kind.allowed}"
        ) from None
