"""Signed tokens (JWS in compact form) and keys, by joserfc, with larger header limits and fewer algorithms.

Import this module inside functions: joserfc is slow to import, and a server without logins never needs it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

from joserfc import jws
from joserfc.errors import ExceededSizeError, JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.registry import Header

from bodhi.oidc.algorithms import ASYMMETRIC
from bodhi.oidc.claims import json_object
from bodhi.oidc.errors import MalformedToken, UntrustedToken

PublicKey = RSAKey | ECKey | OKPKey


class _Registry(JWSRegistry):
    max_header_length = 16_384  # some headers carry certificates, which are ignored
    max_payload_length = 65_536

    def get_alg(self, name: str) -> Any:
        """Return one of ASYMMETRIC, without joserfc's warning about EdDSA, which providers still use."""
        assert name in ASYMMETRIC
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A well-formed token; its signature is not checked yet."""

    header: Header
    payload: dict[str, Any] = field(repr=False)
    _signed: CompactSignature = field(repr=False)

    @classmethod
    def of(cls, token: str) -> Self:
        """Parse *token*; raise :exc:`MalformedToken` if it is not a compact JWS of JSON objects."""
        if not token.isascii():
            raise MalformedToken
        try:
            signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
        except ExceededSizeError as error:
            limit = _Registry.max_payload_length // 1024
            raise MalformedToken(
                f"its payload is larger than {limit} KiB; let the provider send fewer claims"
            ) from error
        except (JoseError, RecursionError) as error:
            raise MalformedToken("it is no signed token") from error
        payload = json_object(signed.payload)
        if payload is None or not isinstance(signed.protected, dict):
            raise MalformedToken
        return cls(signed.protected, payload, signed)

    def is_signed_by(self, key: PublicKey) -> bool:
        """Return whether *key* signed the token; raise :exc:`UntrustedToken` if its header is not accepted."""
        try:
            return jws.validate_compact(self._signed, key, registry=_REGISTRY)
        except JoseError as error:
            raise UntrustedToken("header not accepted") from error


def algorithms_of(key: PublicKey) -> frozenset[str]:
    """Return the algorithms that keys of the type of *key* work with."""
    return frozenset(algorithm for algorithm in ASYMMETRIC if _supports(algorithm, key))


def _supports(algorithm: str, key: PublicKey) -> bool:
    try:
        JWSRegistry.algorithms[algorithm].check_key(key)
    except JoseError:
        return False
    return True


def public_key(members: Mapping[str, Any]) -> PublicKey | None:
    """Return the key with these JWK members, or None if they are not a valid key."""
    try:
        key = JWKRegistry.import_key(dict(members))
    except (JoseError, ValueError, TypeError, LookupError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None


@lru_cache(maxsize=1)
def private_key(text: str) -> PublicKey:
    """Return the private key in *text*, PEM or a JWK; raise :exc:`ValueError` if there is none that can sign."""
    for key_type in (RSAKey, ECKey, OKPKey):
        try:
            key: PublicKey = key_type.import_key(json.loads(text) if text.lstrip().startswith("{") else text)
            if key.is_private:
                _sign({}, key)  # its purpose, size or curve may forbid that
                return key
        except (JoseError, ValueError, TypeError, LookupError):
            continue
    raise ValueError("it is not a private key that can sign; its curve, use or alg may forbid that")


def algorithm_of(key: PublicKey) -> str | None:
    """Return the algorithm to sign with: that of the JWK, else the usual one for the key; None if there is none."""
    return next((algorithm for algorithm in ASYMMETRIC if _supports(algorithm, key)), None)


def signed_by(key_text: str, claims: Mapping[str, Any]) -> str:
    """Return a JWT with *claims*, signed by the private key in *key_text*, PEM or a JWK."""
    return _sign(claims, private_key(key_text))


def _sign(claims: Mapping[str, Any], key: PublicKey) -> str:
    algorithm = algorithm_of(key)
    if algorithm is None:
        raise ValueError("no algorithm for this key")
    header = {"alg": algorithm, "kid": key.kid or key.thumbprint(), "typ": "JWT"}
    return jws.serialize_compact(header, json.dumps(dict(claims)), key, registry=_REGISTRY)
