"""Verification of the provider's access, ID and logout tokens."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bodhi.oidc.algorithms import ASYMMETRIC
from bodhi.oidc.checks import (
    CHECK_CLOCKS,
    LEEWAY_SECONDS,
    check_issued,
    check_kind,
    check_nonce,
    check_party,
    check_token_hash,
    check_unexpired,
    optional_identifier,
    optional_text,
    required_identifier,
    required_seconds,
    required_subject,
)
from bodhi.oidc.claim_values import identifier
from bodhi.oidc.claims import Claims
from bodhi.oidc.errors import ExpiredToken, MalformedToken, TokenError, UntrustedToken
from bodhi.oidc.keys import SigningKeys
from bodhi.oidc.responses import IdToken, LogoutToken
from bodhi.oidc.signed_token import SignedToken

# Required in bearer tokens; an access token stored in a session came directly from the provider.
BEARER_CLAIMS = ("jti", "sub", "exp", "scope")
# Optional, but if present they have to be valid: they decide whether the token may be used here and now.
_DECISIVE_CLAIMS = ("iss", "aud", "azp", "nbf")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LONGEST_LOGOUT_SECONDS = 600  # after ``iat``, a logout token is expired and its ``jti`` may be forgotten

# Claims of other kinds of tokens; ``cnf`` marks tokens that are bound to a key and not valid as bearer tokens.
_FOREIGN_CLAIMS = ("at_hash", "c_hash", "events", "cnf")

log = logging.getLogger(__name__)


class TokenVerifier:
    """Verifies access, ID and logout tokens of one issuer; no kind is accepted in place of another."""

    def __init__(
        self,
        issuer: str,
        keys: SigningKeys,
        *,
        algorithms: Collection[str] = ASYMMETRIC,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not algorithms or not set(algorithms) <= set(ASYMMETRIC):
            raise ValueError(f"algorithms: choose at least one of {', '.join(ASYMMETRIC)}, and no other")
        self._issuer = issuer
        self._keys = keys
        self._algorithms = frozenset(algorithms)
        self._clock = clock

    async def access_token(self, token: str, *, required: Collection[str] = BEARER_CLAIMS) -> Claims:
        """Return the claims of an access token after checking signature and validity period.

        The caller checks ``iss`` and ``aud``. Raises :exc:`MalformedToken`, :exc:`UntrustedToken` or
        :exc:`ExpiredToken`, the first that applies in this order; a malformed token never causes a fetch of keys.
        """
        try:
            signed = SignedToken.of(token)
            decisive = [name for name in _DECISIVE_CLAIMS if signed.payload.get(name) is not None]
            claims = Claims.of(signed.payload, required=(*required, *decisive))
            _check_access_token(signed)
            await signed.check_signature(self._keys, self._algorithms)
        except UntrustedToken as error:
            log.info("access token rejected: %s", error)
            raise
        now = int(self._clock())
        if not claims.not_before - LEEWAY_SECONDS <= now <= claims.expires_at + LEEWAY_SECONDS:
            raise ExpiredToken
        return claims

    async def id_token(
        self, id_token: str, *, client_id: str, nonce: str, access_token: str | None, reads_access_token: bool = True
    ) -> IdToken:
        """Return the ID token of a login, verified as in OpenID Connect Core 3.1.3.7.

        Its subject must be that of *access_token* if that is a JWT, unless *reads_access_token* is false. Raises
        :exc:`TokenError`.
        """
        try:
            signed = await self._verified(id_token, client_id, headers=(), claimed=("id",))
            check_unexpired(signed.payload, self._clock())
            subject = required_subject(signed.payload)
            check_nonce(signed.payload, nonce)
            if access_token is not None:
                check_token_hash(signed, access_token)
                if reads_access_token:
                    _check_same_subject(signed.payload, access_token)
            # sid is optional: without it, only a back-channel logout by sid cannot find the session.
            sid = identifier(signed.payload.get("sid"))
            return IdToken(subject, sid, signed.payload)
        except TokenError as error:
            log.warning("ID token rejected: %s", error)
            raise

    async def logout_token(self, token: str, *, client_id: str) -> LogoutToken:
        """Return the logout token, verified as in OpenID Connect Back-Channel Logout 1.0, 2.6.

        The caller checks that its ``jti`` is new. Raises :exc:`TokenError`.
        """
        try:
            signed = await self._verified(token, client_id, headers=("logout+jwt",), claimed=("logout",))
            return self._logout(signed.payload)
        except TokenError as error:
            log.warning("logout token rejected: %s", error)
            raise

    async def userinfo_token(self, token: str, *, client_id: str) -> Mapping[str, Any]:
        """Return the claims of a signed userinfo response (OpenID Connect Core 5.3.2); raise :exc:`TokenError`.

        The caller checks ``sub``. ``iss``, ``aud`` and ``exp`` are optional there.
        """
        try:
            signed = SignedToken.of(token)
            await signed.check_signature(self._keys, self._algorithms)
            payload = {"iss": self._issuer, "aud": client_id, **signed.payload}
            check_party(payload, issuer=self._issuer, client_id=client_id)
            if payload.get("exp") is not None:
                check_unexpired(payload, self._clock())
            return signed.payload
        except TokenError as error:
            log.warning("userinfo token rejected: %s", error)
            raise

    async def _verified(
        self, token: str, client_id: str, *, headers: Collection[str], claimed: Collection[str]
    ) -> SignedToken:
        """Parse a token and check its type, signature, issuer, audience and ``iat``."""
        signed = SignedToken.of(token)
        check_kind(signed, headers=headers, claimed=claimed)
        await signed.check_signature(self._keys, self._algorithms)
        check_party(signed.payload, issuer=self._issuer, client_id=client_id)
        check_issued(signed.payload, self._clock())
        return signed

    def _logout(self, payload: Mapping[str, Any]) -> LogoutToken:
        events = payload.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict) or "nonce" in payload:
            raise UntrustedToken("not a logout token")
        expires_at = required_seconds(payload, "iat") + LONGEST_LOGOUT_SECONDS
        if payload.get("exp") is not None:
            expires_at = min(expires_at, required_seconds(payload, "exp"))
        if self._clock() > expires_at + LEEWAY_SECONDS:
            raise UntrustedToken(f"expired: {CHECK_CLOCKS}")
        token = LogoutToken(
            subject=optional_text(payload, "sub"),
            sid=optional_identifier(payload, "sid"),
            jti=required_identifier(payload, "jti"),
            expires_at=expires_at,
        )
        if token.subject is None and token.sid is None:
            raise UntrustedToken("neither sub nor sid is present")
        return token


def _check_access_token(signed: SignedToken) -> None:
    check_kind(signed, headers=("at+jwt",), claimed=("bearer", "at+jwt", "access"))
    foreign = ["token_use"] if signed.payload.get("token_use") == "id" else []
    foreign += [name for name in _FOREIGN_CLAIMS if name in signed.payload]
    if foreign:
        raise UntrustedToken(f"another kind of token: it has {foreign[0]}")


def _check_same_subject(payload: Mapping[str, Any], access_token: str) -> None:
    try:
        subject = identifier(SignedToken.of(access_token).payload.get("sub"))
    except MalformedToken:
        return  # opaque; code that needs its claims refuses it
    if subject is not None and subject != payload.get("sub"):
        raise UntrustedToken("sub differs from that of the access token; set BODHI_AUTH_ACCESS_TOKENS=opaque")
