"""What an identity provider's tokens have to be before anything in them is believed."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from bodhi.oidc.algorithms import ASYMMETRIC
from bodhi.oidc.checks import (
    check_issued,
    check_kind,
    check_nonce,
    check_party,
    check_token_hash,
    needed_identifier,
    needed_seconds,
    needed_text,
    optional_identifier,
    optional_text,
)
from bodhi.oidc.claims import Claims, identifier
from bodhi.oidc.errors import ExpiredToken, MalformedToken, TokenError, UntrustedToken
from bodhi.oidc.keys import SigningKeys
from bodhi.oidc.responses import IdToken, LogoutToken
from bodhi.oidc.signed_token import SignedToken

# What a bearer token has to have; a session's own access token came from the provider itself.
BEARER_CLAIMS = ("jti", "sub", "exp", "scope")
# Whose token it is, for whom and from when on: where one of these is there, it has to be understood.
_DECISIVE_CLAIMS = ("iss", "aud", "azp", "nbf")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LONGEST_LOGOUT_SECONDS = 600  # after its issue a logout token is of no use, and its ``jti`` may be forgotten

# Claims that access tokens do not have, or (``cnf``) only those that a bearer may not present.
_FOREIGN_CLAIMS = ("at_hash", "c_hash", "events", "cnf")

log = logging.getLogger(__name__)


class TokenVerifier:
    """Checks of the three kinds of tokens that one issuer signs; none passes for another kind."""

    def __init__(
        self,
        issuer: str,
        keys: SigningKeys,
        *,
        algorithms: Collection[str] = ASYMMETRIC,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not algorithms or not set(algorithms) <= set(ASYMMETRIC):
            raise ValueError(f"algorithms: some of {', '.join(ASYMMETRIC)} are needed")
        self._issuer = issuer
        self._keys = keys
        self._algorithms = frozenset(algorithms)
        self._clock = clock

    async def access_token(self, token: str, *, required: Collection[str] = BEARER_CLAIMS) -> Claims:
        """The claims of an access token that the provider signed, and whose time has come and not passed.

        Whose it is and whom it is for (``iss``, ``aud``) is the caller's to check. Raises :exc:`MalformedToken`,
        :exc:`UntrustedToken` or :exc:`ExpiredToken`, in this order the first that holds; the provider's keys are not
        requested before the first has passed.
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
        if now > claims.expires_at or now < claims.not_before:
            raise ExpiredToken
        return claims

    async def id_token(
        self, id_token: str, *, client_id: str, nonce: str, access_token: str | None, reads_access_token: bool = True
    ) -> IdToken:
        """The ID token that belongs to a login, as OpenID Connect Core 3.1.3.7 asks for.

        It is checked to be of the person whom *access_token* is of, as far as that can be read, unless access tokens
        are not for this server to read (*reads_access_token*). Raises :exc:`TokenError`.
        """
        try:
            signed = await self._own(id_token, client_id, headers=(), claimed=("id",))
            if self._clock() > needed_seconds(signed.payload, "exp"):
                raise UntrustedToken("it has expired")
            subject = needed_text(signed.payload, "sub")
            check_nonce(signed.payload, nonce)
            if access_token is not None:
                check_token_hash(signed, access_token)
                if reads_access_token:
                    _check_same_person(signed.payload, access_token)
            # A login does without sid: only a back-channel logout that names it does not find the session then.
            sid = identifier(signed.payload.get("sid"))
            return IdToken(subject, sid, signed.payload)
        except TokenError as error:
            log.warning("ID token rejected: %s", error)
            raise

    async def logout_token(self, token: str, *, client_id: str) -> LogoutToken:
        """The logout token, as OpenID Connect Back-Channel Logout 1.0, 2.6 asks for.

        That its ``jti`` was not seen before is the caller's to check. Raises :exc:`TokenError`.
        """
        try:
            signed = await self._own(token, client_id, headers=("logout+jwt",), claimed=("logout",))
            return self._logout(signed.payload)
        except TokenError as error:
            log.warning("logout token rejected: %s", error)
            raise

    async def _own(
        self, token: str, client_id: str, *, headers: Collection[str], claimed: Collection[str]
    ) -> SignedToken:
        """The token, which the provider issued to us and not in the future."""
        signed = SignedToken.of(token)
        check_kind(signed, headers=headers, claimed=claimed)
        await signed.check_signature(self._keys, self._algorithms)
        check_party(signed.payload, issuer=self._issuer, client_id=client_id)
        check_issued(signed.payload, self._clock())
        return signed

    def _logout(self, payload: Mapping[str, Any]) -> LogoutToken:
        events = payload.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict) or "nonce" in payload:
            raise UntrustedToken("it is no logout token")
        expires_at = needed_seconds(payload, "iat") + LONGEST_LOGOUT_SECONDS
        if payload.get("exp") is not None:
            expires_at = min(expires_at, needed_seconds(payload, "exp"))
        if self._clock() > expires_at:
            raise UntrustedToken("it has expired")
        token = LogoutToken(
            subject=optional_text(payload, "sub"),
            sid=optional_identifier(payload, "sid"),
            jti=needed_identifier(payload, "jti"),
            expires_at=expires_at,
        )
        if token.subject is None and token.sid is None:
            raise UntrustedToken("it names nobody")
        return token


def _check_access_token(signed: SignedToken) -> None:
    check_kind(signed, headers=("at+jwt",), claimed=("bearer", "at+jwt", "access"))
    foreign = ["token_use"] if signed.payload.get("token_use") == "id" else []
    foreign += [name for name in _FOREIGN_CLAIMS if name in signed.payload]
    if foreign:
        raise UntrustedToken(f"it is a token of another kind, as its {foreign[0]} says")


def _check_same_person(payload: Mapping[str, Any], access_token: str) -> None:
    try:
        subject = identifier(SignedToken.of(access_token).payload.get("sub"))
    except MalformedToken:
        return  # it is opaque, and whoever needs its claims will refuse it
    if subject is not None and subject != payload.get("sub"):
        raise UntrustedToken("it is about somebody else than the access token")
