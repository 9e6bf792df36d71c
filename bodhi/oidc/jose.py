"""What is used of joserfc, which knows signatures and keys: its limits made wider, its list of algorithms narrower.

Import it where it is called for: joserfc takes a while to import, and a server that nobody logs in to does without it.
"""

from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import CompactSignature, JWSRegistry

from bodhi.oidc.algorithms import ASYMMETRIC

PublicKey = RSAKey | ECKey | OKPKey


class _Registry(JWSRegistry):
    max_header_length = 16_384  # certificates, which are not looked at, make some headers long
    max_payload_length = 65_536

    def get_alg(self, name: str) -> Any:
        """One of ASYMMETRIC; without the library's warning about the older name of Ed25519, which providers use."""
        assert name in ASYMMETRIC
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


def parts_of(token: str) -> CompactSignature:
    """The parts of a compact JWS; :exc:`ValueError` when *token* is none."""
    try:
        return jws.extract_compact(token.encode(), registry=_REGISTRY)
    except (JoseError, RecursionError) as error:
        raise ValueError("it is no compact JWS") from error


def is_signed_by(key: PublicKey, signed: CompactSignature) -> bool:
    """Whether *signed* carries the signature of *key*; :exc:`ValueError` when its header is not accepted."""
    try:
        return jws.validate_compact(signed, key, registry=_REGISTRY)
    except JoseError as error:
        raise ValueError("its header is not accepted") from error


def takes(algorithm: str, key: PublicKey) -> bool:
    """Whether *algorithm* is one for keys like *key*."""
    try:
        JWSRegistry.algorithms[algorithm].check_key(key)
    except JoseError:
        return False
    return True


def public_key(members: Mapping[str, Any]) -> PublicKey | None:
    """The key that these members of a JWK make, or None when they make none."""
    try:
        key = JWKRegistry.import_key(dict(members))
    except (JoseError, ValueError, TypeError, LookupError):
        return None
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None
