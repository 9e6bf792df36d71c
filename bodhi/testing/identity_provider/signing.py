"""Keys, what is signed with them, and what they verify."""

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
    """The keys of one provider: the newest signs, those that were not withdrawn are published."""

    def __init__(self) -> None:
        self._made = itertools.count()
        self._signer = self._make()
        self._published = [self._signer]

    @property
    def current(self) -> RSAKey:
        """The key that signs."""
        return self._signer

    def rotate(self, *, withdraw: bool = False) -> None:
        """Sign with a new key from now on; *withdraw* takes back the old ones."""
        self._signer = self._make()
        self._published = [self._signer] if withdraw else [*self._published, self._signer]

    def jwks(self) -> dict[str, Any]:
        """The published keys, as the keys endpoint gives them."""
        return {"keys": [key.as_dict(private=False) for key in self._published]}

    def sign(
        self, payload: Mapping[str, Any] | bytes, header: Mapping[str, Any] | None = None, *, key: object = None
    ) -> str:
        """A compact JWT over *payload* with any *header* at all, sound or not.

        A member of *header* that is None is left out. *key* is another RSAKey, or bytes for an HMAC; the algorithm
        ``none`` has no signature.
        """
        signer = key or self._signer
        kid = signer.kid if isinstance(signer, RSAKey) else self._signer.kid
        said = {"alg": ALGORITHM, "typ": "JWT", "kid": kid, **(header or {})}
        head = json.dumps({name: value for name, value in said.items() if value is not None}).encode()
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signing_input = f"{_base64url(head)}.{_base64url(body)}"
        return f"{signing_input}.{_base64url(_signature(str(said['alg']), signing_input.encode(), signer))}"

    def read(self, token: str) -> dict[str, Any] | None:
        """The payload of a token that a published key signed, whatever it says; None for any other text."""
        try:
            return jwt.decode(token, KeySet(list(self._published)), algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            return None

    def _make(self) -> RSAKey:
        return _key(next(self._made))


@functools.cache
def _key(number: int) -> RSAKey:
    """The key of that number: each takes a tenth of a second to make, so a process makes it once for all providers."""
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
