"""Signed tokens (JWS in compact form): their shape, and whose signature they carry; not what they claim."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Self

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import CompactSignature, JWSRegistry
from joserfc.registry import Header

from bodhi.auth.provider.json_object import json_object
from bodhi.auth.provider.keys import SigningKeys
from bodhi.errors import BodhiError

# RFC 7518, 8037 and 9864. Nothing symmetric, where the public key would serve as the secret.
ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")


class Malformed(BodhiError):
    """This is no signed token."""


class NotGenuine(BodhiError):
    """The token is not what the identity provider signed for this use; the message says why, in words of our own."""


class _Registry(JWSRegistry):
    """The library's limits made wider, and its list of algorithms narrower."""

    max_header_length = 16_384  # certificates, which are not looked at, make some headers long
    max_payload_length = 65_536

    def get_alg(self, name: str) -> Any:
        """One of ASYMMETRIC; without the library's warning about the older name of Ed25519, which providers use."""
        assert name in ASYMMETRIC
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token that has the right shape, and may be anybody's."""

    header: Header
    payload: dict[str, Any] = field(repr=False)
    _signed: CompactSignature = field(repr=False)

    @classmethod
    def of(cls, token: str) -> Self:
        """The parts of *token*; :exc:`Malformed` when it is no compact JWS of JSON objects."""
        if not token.isascii():
            raise Malformed
        try:
            signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
        except (JoseError, RecursionError) as error:
            raise Malformed from error
        payload = json_object(signed.payload)
        if payload is None or not isinstance(signed.protected, dict):
            raise Malformed
        return cls(signed.protected, payload, signed)

    @property
    def algorithm(self) -> str:
        """The algorithm that the header names."""
        return str(self.header.get("alg"))

    @property
    def type(self) -> str:
        """The header's ``typ`` in lower case without ``application/``, or "" without one."""
        kind = self.header.get("typ", "")
        return kind.lower().removeprefix("application/") if isinstance(kind, str) else "?"

    @property
    def claimed_type(self) -> str:
        """The claim ``typ`` in lower case, by which Keycloak tells its tokens apart, or "" without one."""
        kind = self.payload.get("typ", "")
        return kind.lower() if isinstance(kind, str) else "?"

    async def check_signature(self, keys: SigningKeys, algorithms: Collection[str]) -> None:
        """Nothing when one of *keys* signed it with one of *algorithms*; else :exc:`NotGenuine`.

        What the token itself says of keys (``jwk``, ``jku``, ``x5u``, ``x5c``) is not looked at.
        """
        kid = self.header.get("kid")
        # No extension is understood here, so whatever is critical is too much.
        if self.algorithm not in algorithms or "crit" in self.header or not isinstance(kid, str | None):
            raise NotGenuine("its algorithm or its header is not accepted")
        for key in await keys.suiting(kid, self.algorithm):
            try:
                if jws.validate_compact(self._signed, key, registry=_REGISTRY):
                    return
            except (JoseError, ValueError) as error:
                raise NotGenuine("its header is not accepted") from error
        raise NotGenuine("none of the provider's keys signed it")
