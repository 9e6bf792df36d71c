"""Encryption of stored data, bound to its row, with AES-256-GCM.

The stored form is ``format (1 byte) | key id (4) | nonce (12) | ciphertext and tag``. Format and key id are
authenticated, and so is the name of the row (a session's digest), so that data copied into another row does not open.

- Format 1: one AES key for all rows.
- Format 2: an AES key for each row, derived from its name, so that random nonces are far from their limit however many
  rows there are; and other columns of the row are authenticated too.

Sources: NIST SP 800-38D, 8.3 (at most 2^32 random nonces for a key); RFC 7693 (keyed BLAKE2b).
"""

import base64
import os
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bodhi.errors import BodhiError, ConfigurationError
from bodhi.options import refusal

KEPT_CIPHERS = 256  # of rows: to make one costs as much as to use it, and a request that saves needs it twice
SHORTEST_KEY = 32  # characters or bytes of a key as it is configured

UNBOUND_FORMAT = 1
NEWEST_FORMAT = 2

_FORMATS = frozenset({UNBOUND_FORMAT, NEWEST_FORMAT})
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
TAG_BYTES = 16  # of the authentication tag, at the end
_SALT_BYTES = 16  # in place of a row's name, for text
_HEADER = Struct(f">{1 + _KEY_ID_BYTES}s{_NONCE_BYTES}s")  # format and key id, which are authenticated; nonce
_HEADER_BYTES = _HEADER.size


class Unreadable(BodhiError):
    """The stored data is damaged, swapped, or of an unknown format."""


class UnknownKey(BodhiError):
    """The stored data is encrypted with a key that is not in the keyring."""


class _Key(NamedTuple):
    cipher: AESGCM  # of format 1
    secret: bytes  # from which the keys of format 2 are derived


class Keyring:
    """Keys for data of one *purpose*: the first one encrypts, all of them decrypt."""

    def __init__(self, keys: Sequence[str | bytes], *, purpose: bytes = b"bodhi session data") -> None:
        if isinstance(keys, str | bytes) or not isinstance(keys, Sequence) or not keys:
            raise ConfigurationError("keys: a list with at least one encryption key is needed, newest first")
        self._keys: dict[bytes, _Key] = {}
        for number, given in enumerate(keys, 1):
            secret = given.encode(errors="surrogateescape") if isinstance(given, str) else given
            if not isinstance(secret, bytes):
                raise refusal(f"keys: key {number} of {len(keys)}", secret, "a text or bytes")
            if len(secret) < SHORTEST_KEY:
                raise ConfigurationError(
                    f"keys: key {number} of {len(keys)} is shorter than {SHORTEST_KEY} characters: "
                    "make one with `python -m bodhi config generate-key`"
                )
            key = _Key(AESGCM(_derived(secret, purpose, 32)), _derived(secret, purpose + b", one key a row", 32))
            self._keys.setdefault(_derived(secret, b"bodhi key id", _KEY_ID_BYTES), key)
        self._newest = next(iter(self._keys))
        self._heads = {data_format: bytes([data_format]) + self._newest for data_format in _FORMATS}

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)}>"

    @property
    def ids(self) -> Sequence[str]:
        """Key ids for the log and ``bodhi doctor``, newest first; they reveal nothing about the keys."""
        return [key_id.hex() for key_id in self._keys]

    def seal(self, plaintext: bytes, row: bytes, columns: bytes | None = None) -> bytes:
        """*plaintext* encrypted with the newest key, for the row of that name alone.

        With *columns* it is in format 2, and opens with the same columns alone; without, in format 1.
        """
        key = self._keys[self._newest]
        nonce = os.urandom(_NONCE_BYTES)
        if columns is None:
            head = self._heads[UNBOUND_FORMAT]
            return head + nonce + key.cipher.encrypt(nonce, plaintext, head + row)
        head = self._heads[NEWEST_FORMAT]
        return head + nonce + _row_cipher(key, row).encrypt(nonce, plaintext, head + row + columns)

    def open(self, sealed: bytes, row: bytes, columns: bytes = b"") -> bytes:
        """The plaintext of *sealed*, which format 1 does not bind to *columns*.

        Raises :exc:`Unreadable` or :exc:`UnknownKey`.
        """
        if len(sealed) < _HEADER_BYTES + TAG_BYTES:
            raise Unreadable("the data is cut short")
        head, nonce = _HEADER.unpack_from(sealed)
        data_format = head[0]
        if data_format not in _FORMATS:
            raise Unreadable(f"the data has the unknown format {data_format}")
        key = self._keys.get(head[1:])
        if key is None:
            raise UnknownKey(f"the data is encrypted with the key {head[1:].hex()}, which is not configured")
        try:
            if data_format == UNBOUND_FORMAT:
                return key.cipher.decrypt(nonce, sealed[_HEADER_BYTES:], head + row)
            return _row_cipher(key, row).decrypt(nonce, sealed[_HEADER_BYTES:], head + row + columns)
        except InvalidTag as error:
            raise Unreadable("the data or its row was changed, or it belongs to another row") from error

    def seal_text(self, plaintext: bytes) -> str:
        """Return *plaintext* encrypted for a cookie or a URL, with a separate key: anyone can request many of them."""
        salt = os.urandom(_SALT_BYTES)
        # Some clients put quotes around "=".
        return base64.urlsafe_b64encode(salt + self.seal(plaintext, salt, b"")).rstrip(b"=").decode()

    def open_text(self, text: str) -> bytes:
        """The plaintext of a *text* from outside. Raises :exc:`Unreadable` or :exc:`UnknownKey`."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError as error:
            raise Unreadable("the text is not base64url") from error
        return self.open(sealed[_SALT_BYTES:], sealed[:_SALT_BYTES])

    def is_newest(self, sealed: bytes, data_format: int = UNBOUND_FORMAT) -> bool:
        """Whether *sealed* was encrypted with the newest key, in *data_format* or a newer one."""
        return sealed[1 : 1 + _KEY_ID_BYTES] == self._newest and sealed[0] >= data_format


@lru_cache(KEPT_CIPHERS)
def _row_cipher(key: _Key, row: bytes) -> AESGCM:
    return AESGCM(blake2b(row, key=key.secret, digest_size=32).digest())


def _derived(secret: bytes, purpose: bytes, length: int) -> bytes:
    # Keys of one purpose reveal nothing about those of another. Source: RFC 5869.
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)
