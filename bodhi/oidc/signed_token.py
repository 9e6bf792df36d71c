"""Signed tokens (JWS in compact form): their shape, and whose signature they carry; not what they claim."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from bodhi.oidc.errors import MalformedToken, UntrustedToken
from bodhi.oidc.json_object import json_object
from bodhi.oidc.keys import SigningKeys

if TYPE_CHECKING:
    from joserfc.jws import CompactSignature
    from joserfc.registry import Header


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token that has the right shape, and may be anybody's."""

    header: "Header"
    payload: dict[str, Any] = field(repr=False)
    _signed: "CompactSignature" = field(repr=False)

    @classmethod
    def of(cls, token: str) -> Self:
        """The parts of *token*; :exc:`MalformedToken` when it is no compact JWS of JSON objects."""
        from bodhi.oidc import jose

        if not token.isascii():
            raise MalformedToken
        try:
            signed = jose.parts_of(token)
        except ValueError as error:
            raise MalformedToken from error
        payload = json_object(signed.payload)
        if payload is None or not isinstance(signed.protected, dict):
            raise MalformedToken
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
        kind = self.payload.get("typ")
        if kind is None:
            return ""
        return kind.lower() if isinstance(kind, str) else "?"

    async def check_signature(self, keys: SigningKeys, algorithms: Collection[str]) -> None:
        """Nothing when one of *keys* signed it with one of *algorithms*; else :exc:`UntrustedToken`.

        What the token itself says of keys (``jwk``, ``jku``, ``x5u``, ``x5c``) is not looked at.
        """
        from bodhi.oidc import jose

        kid = self.header.get("kid")
        # No extension is understood here, so whatever is critical is too much.
        if self.algorithm not in algorithms or "crit" in self.header or not isinstance(kid, str | None):
            raise UntrustedToken("its algorithm or its header is not accepted")
        for key in await keys.suiting(kid, self.algorithm):
            try:
                if jose.is_signed_by(key, self._signed):
                    return
            except ValueError as error:
                raise UntrustedToken("its header is not accepted") from error
        raise UntrustedToken("none of the provider's keys signed it")
