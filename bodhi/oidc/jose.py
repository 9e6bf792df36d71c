"""Signatures and keys, by joserfc, with larger header limits and fewer algorithms.

Import this module inside functions: joserfc is slow to import, and a server without logins never needs it.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from joserfc import jws
from joserfc.errors import ExceededSizeError, JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import CompactSignature, JWSRegistry

from bodhi.oidc.algorithms import ASYMMETRIC

PublicKey = RSAKey | ECKey | OKPKey


class _Registry(JWSRegistry):
    max_header_length = 16_384  # some headers carry certificates, which are ignored
    max_payload_length = 65_536

    def get_alg(self, name: str) -> Any:
        """Return one of ASYMMETRIC, without joserfc's warning about EdDSA, which providers still use."""
        assert name in ASYMMETRIC
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


def parts_of(token: str) -> CompactSignature:
    """Parse a compact JWS; raise :exc:`ValueError` if *token* is not one."""
    try:
        return jws.extract_compact(token.encode(), registry=_REGISTRY)
    except ExceededSizeError as error:
        limit = _Registry.max_payload_length // 1024
        raise ValueError(f"its payload is larger than {limit} KiB; let the provider send fewer claims") from error
    except (JoseError, RecursionError) as error:
        raise ValueError("it is no signed token") from error


def is_signed_by(key: PublicKey, signed: CompactSignature) -> bool:
    """Return whether *key* signed *signed*; raise :exc:`ValueError` if its header is not accepted."""
    try:
        return jws.validate_compact(signed, key, registry=_REGISTRY)
    except JoseError as error:
        raise ValueError("its header is not accepted") from error


def supports(algorithm: str, key: PublicKey) -> bool:
    """Return whether *algorithm* works with keys of the type of *key*."""
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
    return next((algorithm for algorithm in ASYMMETRIC if supports(algorithm, key)), None)


def signed_by(key_text: str, claims: Mapping[str, Any]) -> str:
    """Return a JWT with *claims*, signed by the private key in *key_text*, PEM or a JWK."""
    return _sign(claims, private_key(key_text))


def _sign(claims: Mapping[str, Any], key: PublicKey) -> str:
    algorithm = algorithm_of(key)
    if algorithm is None:
        raise ValueError("no algorithm for this key")
    header = {"alg": algorithm, "kid": key.kid or key.thumbprint(), "typ": "JWT"}
    return jws.serialize_compact(header, json.dumps(dict(claims)), key, registry=_REGISTRY)
