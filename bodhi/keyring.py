"""What is stored encrypted, and bound to its row, with AES-256-GCM.

The stored form is ``format (1 byte) | key id (4) | nonce (12) | ciphertext and tag``. The name of the row (a session's
digest) is authenticated with it, so that data copied into another row does not open there.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bodhi.errors import BodhiError, ConfigurationError

SHORTEST_KEY = 32  # characters or bytes of a key as it is configured

_FORMAT = 1
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = 1 + _KEY_ID_BYTES + _NONCE_BYTES


class Unreadable(BodhiError):
    """The stored data is damaged, swapped, or of an unknown format."""


class UnknownKey(BodhiError):
    """The stored data is encrypted with a key that is not in the keyring."""


class Keyring:
    """The keys that encrypt data of one *purpose*: the first writes, all of them read."""

    def __init__(self, keys: Sequence[str | bytes], *, purpose: bytes = b"bodhi session data") -> None:
        if isinstance(keys, str | bytes) or not keys:
            raise ConfigurationError("keys: a list with at least one encryption key is needed, newest first")
        self._ciphers: dict[bytes, AESGCM] = {}
        for number, key in enumerate(keys, 1):
            secret = key.encode() if isinstance(key, str) else key
            if len(secret) < SHORTEST_KEY:
                raise ConfigurationError(
                    f"keys: key {number} of {len(keys)} is shorter than {SHORTEST_KEY} characters: "
                    "make one with `python -m bodhi config generate-key`"
                )
            self._ciphers.setdefault(
                _derived(secret, b"bodhi key id", _KEY_ID_BYTES), AESGCM(_derived(secret, purpose, 32))
            )
        self._newest = next(iter(self._ciphers))

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._ciphers)}>"

    @property
    def ids(self) -> Sequence[str]:
        """By which the log and ``bodhi doctor`` name the keys, newest first; nothing of a key can be told from it."""
        return [key_id.hex() for key_id in self._ciphers]

    def seal(self, plaintext: bytes, row: bytes) -> bytes:
        """*plaintext* encrypted with the newest key, for the row of that name alone."""
        head = bytes([_FORMAT]) + self._newest
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._ciphers[self._newest].encrypt(nonce, plaintext, head + row)

    def open(self, sealed: bytes, row: bytes) -> bytes:
        """The plaintext of *sealed*; raises :exc:`Unreadable` or :exc:`UnknownKey`."""
        if len(sealed) < _HEADER_BYTES + _TAG_BYTES:
            raise Unreadable("the data is cut short")
        if sealed[0] != _FORMAT:
            raise Unreadable(f"the data has the unknown format {sealed[0]}")
        head, nonce = sealed[: 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES : _HEADER_BYTES]
        cipher = self._ciphers.get(head[1:])
        if cipher is None:
            raise UnknownKey(f"the data is encrypted with the key {head[1:].hex()}, which is not configured")
        try:
            return cipher.decrypt(nonce, sealed[_HEADER_BYTES:], head + row)
        except InvalidTag as error:
            raise Unreadable("the data was changed, or belongs to another row") from error

    def is_newest(self, sealed: bytes) -> bool:
        """Whether *sealed* was encrypted with the newest key."""
        return sealed[1 : 1 + _KEY_ID_BYTES] == self._newest


def _derived(secret: bytes, purpose: bytes, length: int) -> bytes:
    # Keys of one purpose tell nothing about those of another. Source: RFC 5869.
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)
