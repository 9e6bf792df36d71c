"""Signed tokens (JWS in compact form): parsing and signature check, without their claims."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from bodhi.oidc.errors import MalformedToken, UntrustedToken
from bodhi.oidc.json_object import json_object
from bodhi.oidc.keys import SigningKeys

SET_ALGORITHM = "let the provider sign tokens of this client with RS256, ES256 or another asymmetric one"

if TYPE_CHECKING:
    from joserfc.jws import CompactSignature
    from joserfc.registry import Header

    from bodhi.oidc.jose import PublicKey


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A well-formed token; its signature is not checked yet."""

    header: "Header"
    payload: dict[str, Any] = field(repr=False)
    _signed: "CompactSignature" = field(repr=False)

    @classmethod
    def of(cls, token: str) -> Self:
        """Parse *token*; raise :exc:`MalformedToken` if it is not a compact JWS of JSON objects."""
        from bodhi.oidc import jose

        if not token.isascii():
            raise MalformedToken
        try:
            signed = jose.parts_of(token)
        except ValueError as error:
            raise MalformedToken(str(error)) from error
        payload = json_object(signed.payload)
        if payload is None or not isinstance(signed.protected, dict):
            raise MalformedToken
        return cls(signed.protected, payload, signed)

    @property
    def algorithm(self) -> str:
        """The header's ``alg``."""
        return str(self.header.get("alg"))

    @property
    def type(self) -> str:
        """The header's ``typ`` in lower case without ``application/``, or "" if there is none."""
        kind = self.header.get("typ", "")
        return kind.lower().removeprefix("application/") if isinstance(kind, str) else "?"

    @property
    def claimed_type(self) -> str:
        """The claim ``typ`` in lower case, Keycloak's token type, or "" if there is none."""
        kind = self.payload.get("typ")
        if kind is None:
            return ""
        return kind.lower() if isinstance(kind, str) else "?"

    async def check_signature(self, keys: SigningKeys, algorithms: Collection[str]) -> None:
        """Raise :exc:`UntrustedToken` unless one of *keys* signed the token with one of *algorithms*.

        Keys named by the token itself (``jwk``, ``jku``, ``x5u``, ``x5c``) are ignored.
        """
        kid = self.header.get("kid")
        # No JWS extension is supported, so any critical one has to be refused (RFC 7515, 4.1.11).
        if self.algorithm not in algorithms:
            raise UntrustedToken(f"algorithm {self._quoted_algorithm} is not accepted; {SET_ALGORITHM}")
        if "crit" in self.header or not isinstance(kid, str | None):
            raise UntrustedToken("header not accepted")
        if self._is_signed_by(await keys.matching(kid, self.algorithm)):
            return
        # The provider may have a new key under an old id, or keys without ids.
        if not self._is_signed_by(await keys.renewed(kid, self.algorithm)):
            raise UntrustedToken("not signed by any of the provider's keys")

    def _is_signed_by(self, keys: "Sequence[PublicKey]") -> bool:
        from bodhi.oidc import jose

        try:
            return any(jose.is_signed_by(key, self._signed) for key in keys)
        except ValueError as error:
            raise UntrustedToken("header not accepted") from error

    @property
    def _quoted_algorithm(self) -> str:
        return self.algorithm if re.fullmatch("[A-Za-z0-9-]{1,20}", self.algorithm) else "of the header"
