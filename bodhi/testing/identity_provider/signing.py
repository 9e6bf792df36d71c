"""Signing keys: sign and verify JWTs."""

import base64
import functools
import hashlib
import hmac
import itertools
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

ALGORITHM = "RS256"


class SigningKeys:
    """The keys of a provider: the newest one signs, all that were not withdrawn are published."""

    def __init__(self) -> None:
        self._key_numbers = itertools.count()
        self._signer = self._next_key()
        self._published = [self._signer]

    @property
    def current(self) -> RSAKey:
        """The key that signs new tokens."""
        return self._signer

    def rotate(self, *, withdraw: bool = False) -> None:
        """Sign with a new key from now on; *withdraw* unpublishes the earlier ones."""
        self._signer = self._next_key()
        self._published = [self._signer] if withdraw else [*self._published, self._signer]

    def jwks(self) -> dict[str, Any]:
        """Return the published keys as a JWKS."""
        return {"keys": [key.as_dict(private=False) for key in self._published]}

    def sign(
        self, payload: Mapping[str, Any] | bytes, header: Mapping[str, Any] | None = None, *, key: object = None
    ) -> str:
        """Return a compact JWT with any *payload* and *header*, valid or not.

        None removes a member of the default header. *key* is another RSAKey, or bytes for an HMAC; the algorithm
        ``none`` has no signature.
        """
        signer = key or self._signer
        kid = signer.kid if isinstance(signer, RSAKey) else self._signer.kid
        full_header = {"alg": ALGORITHM, "typ": "JWT", "kid": kid, **(header or {})}
        encoded_header = json.dumps({name: value for name, value in full_header.items() if value is not None}).encode()
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signing_input = f"{_base64url(encoded_header)}.{_base64url(body)}"
        return f"{signing_input}.{_base64url(_signature(str(full_header['alg']), signing_input.encode(), signer))}"

    def read(self, token: str) -> dict[str, Any] | None:
        """Return the payload of a token signed by a published key, without checking its claims; else None."""
        try:
            return jwt.decode(token, KeySet(list(self._published)), algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            return None

    def _next_key(self) -> RSAKey:
        return _key(next(self._key_numbers))


@functools.cache
def _key(number: int) -> RSAKey:
    """Return a key, cached by number and shared by all providers of the process: generating one takes 0.1 s."""
    return RSAKey.generate_key(
        2048, {"kid": f"{number}-{secrets.token_hex(8)}", "use": "sig", "alg": ALGORITHM}, private=True
    )


def _signature(algorithm: str, data: bytes, key: object) -> bytes:
    if algorithm.lower() == "none":
        return b""
    if isinstance(key, bytes):
        return hmac.new(key, data, hashlib.sha256).digest()
    assert isinstance(key, RSAKey)
    return key.private_key.sign(data, padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr]


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
