"""Verification of the provider's access, ID and logout tokens; each error has a reason that is safe to log."""

import base64
import hashlib
import hmac
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from bodhi.oidc.algorithms import ASYMMETRIC
from bodhi.oidc.claims import Claims, identifier, nonempty_text, seconds
from bodhi.oidc.errors import ExpiredToken, MalformedToken, TokenError, UntrustedToken
from bodhi.oidc.keys import SigningKeys
from bodhi.oidc.responses import IdToken, LogoutToken

if TYPE_CHECKING:
    from bodhi.oidc.jose import SignedToken

Value = TypeVar("Value")

# Required in bearer tokens; an access token stored in a session came directly from the provider.
BEARER_CLAIMS = ("jti", "sub", "exp", "scope")
# Optional, but if present they have to be valid: they decide whether the token may be used here and now.
_DECISIVE_CLAIMS = ("iss", "aud", "azp", "nbf")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LONGEST_LOGOUT_SECONDS = 600  # after ``iat``, a logout token is expired and its ``jti`` may be forgotten

LONGEST_SUBJECT = 1_024  # bytes; OpenID Connect Core 2 allows 255
LEEWAY_SECONDS = 60  # accepted difference between the provider's clock and ours
CHECK_CLOCKS = "synchronize this server's clock and the provider's"
SET_ALGORITHM = "let the provider sign tokens of this client with RS256, ES256 or another asymmetric one"

# Claims of other kinds of tokens; ``cnf`` marks tokens that are bound to a key and not valid as bearer tokens.
_FOREIGN_CLAIMS = ("at_hash", "c_hash", "events", "cnf")
_LONGEST_QUOTED = 200  # characters of a claim in a message
_SHA_2 = {"256": hashlib.sha256, "384": hashlib.sha384}  # by the suffix of the algorithm's name

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
            signed = _parse(token)
            decisive = [name for name in _DECISIVE_CLAIMS if signed.payload.get(name) is not None]
            claims = Claims.of(signed.payload, required=(*required, *decisive))
            _check_is_access_token(signed)
            await self._check_signature(signed)
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
            claims = signed.payload
            self._check_unexpired(claims)
            subject = _required(claims, "sub", nonempty_text)
            if len(subject.encode()) > LONGEST_SUBJECT:
                raise UntrustedToken(f"sub is longer than {LONGEST_SUBJECT} bytes")
            # Bytes: compare_digest refuses non-ASCII str. An empty nonce is refused before it is compared.
            if not hmac.compare_digest(_required(claims, "nonce", nonempty_text).encode(), nonce.encode()):
                raise UntrustedToken("nonce belongs to another login")
            if access_token is not None:
                _check_belongs_to(signed, access_token, reads_access_token=reads_access_token)
            # sid is optional: without it, only a back-channel logout by sid cannot find the session.
            return IdToken(subject, identifier(claims.get("sid")), claims)
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
            signed = _parse(token)
            await self._check_signature(signed)
            payload = {"iss": self._issuer, "aud": client_id, **signed.payload}
            self._check_party(payload, client_id)
            if payload.get("exp") is not None:
                self._check_unexpired(payload)
            return signed.payload
        except TokenError as error:
            log.warning("userinfo token rejected: %s", error)
            raise

    async def _verified(
        self, token: str, client_id: str, *, headers: Collection[str], claimed: Collection[str]
    ) -> "SignedToken":
        """Parse a token and check its type, signature, issuer, audience, ``iat`` and ``nbf``."""
        signed = _parse(token)
        _check_kind(signed, headers=headers, claimed=claimed)
        await self._check_signature(signed)
        self._check_party(signed.payload, client_id)
        now = self._clock()
        for name in ("iat", "nbf"):
            if name == "iat" or signed.payload.get(name) is not None:
                ahead_seconds = _required(signed.payload, name, seconds) - now
                if ahead_seconds > LEEWAY_SECONDS:
                    raise UntrustedToken(f"{name} is {ahead_seconds:.0f} s in the future: {CHECK_CLOCKS}")
        return signed

    async def _check_signature(self, signed: "SignedToken") -> None:
        """Raise :exc:`UntrustedToken` unless one of the provider's keys signed the token, with an accepted algorithm.

        Keys named by the token itself (``jwk``, ``jku``, ``x5u``, ``x5c``) are ignored.
        """
        kid, algorithm = signed.header.get("kid"), str(signed.header.get("alg"))
        if algorithm not in self._algorithms:
            quoted = algorithm if re.fullmatch("[A-Za-z0-9-]{1,20}", algorithm) else "of the header"
            raise UntrustedToken(f"algorithm {quoted} is not accepted; {SET_ALGORITHM}")
        # No JWS extension is supported, so any critical one has to be refused (RFC 7515, 4.1.11).
        if "crit" in signed.header or not isinstance(kid, str | None):
            raise UntrustedToken("header not accepted")
        # The provider may have a new key under an old id, or keys without ids: then they are fetched again.
        for find in (self._keys.matching, self._keys.renewed):
            for key in await find(kid, algorithm):
                if signed.is_signed_by(key):
                    return
        raise UntrustedToken("not signed by any of the provider's keys")

    def _check_party(self, payload: Mapping[str, Any], client_id: str) -> None:
        """Check ``iss``, ``aud`` and ``azp``: issued by the provider to *client_id*."""
        audience = payload.get("aud")
        audiences = [audience] if isinstance(audience, str) else audience
        if payload.get("iss") != self._issuer:
            raise UntrustedToken(f"iss is {_quoted(payload.get('iss'))}, but BODHI_AUTH_ISSUER is {self._issuer}")
        if not isinstance(audiences, list) or client_id not in audiences:
            raise UntrustedToken(f"aud is {_quoted(audience)}, without the client id {client_id}")
        party = payload.get("azp")
        if party is not None and party != client_id:
            raise UntrustedToken(f"azp is {_quoted(party)}, but the client id is {client_id}")
        if party is None and len(audiences) > 1:
            # Core 3.1.3.7 only recommends azp, and some providers list the APIs that a client may call.
            log.info("token accepted for several audiences without azp: %s", _quoted(audiences))

    def _check_unexpired(self, payload: Mapping[str, Any]) -> None:
        """Check ``exp``, allowing for clock skew."""
        past_seconds = self._clock() - _required(payload, "exp", seconds)
        if past_seconds > LEEWAY_SECONDS:
            raise UntrustedToken(f"expired {past_seconds:.0f} s ago: {CHECK_CLOCKS}")

    def _logout(self, payload: Mapping[str, Any]) -> LogoutToken:
        events = payload.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict) or "nonce" in payload:
            raise UntrustedToken("not a logout token")
        expires_at = _required(payload, "iat", seconds) + LONGEST_LOGOUT_SECONDS
        if payload.get("exp") is not None:
            expires_at = min(expires_at, _required(payload, "exp", seconds))
        if self._clock() > expires_at + LEEWAY_SECONDS:
            raise UntrustedToken(f"expired: {CHECK_CLOCKS}")
        token = LogoutToken(
            subject=None if payload.get("sub") is None else _required(payload, "sub", nonempty_text),
            sid=None if payload.get("sid") is None else _required(payload, "sid", identifier),
            jti=_required(payload, "jti", identifier),
            expires_at=expires_at,
        )
        if token.subject is None and token.sid is None:
            raise UntrustedToken("neither sub nor sid is present")
        return token


def _parse(token: str) -> "SignedToken":
    """Return the token, its signature not checked yet; raise :exc:`MalformedToken`."""
    from bodhi.oidc.jose import SignedToken

    return SignedToken.of(token)


def _check_kind(signed: "SignedToken", *, headers: Collection[str], claimed: Collection[str]) -> None:
    """Check ``typ`` in the header and among the claims: absent, generic, or one of the expected values."""
    kind, claimed_kind = signed.header.get("typ", ""), signed.payload.get("typ")
    in_header = str(kind).lower().removeprefix("application/")
    in_claims = "" if claimed_kind is None else str(claimed_kind).lower()
    if in_header not in {"", "jwt", *headers} or in_claims not in {"", "jwt", *claimed}:
        raise UntrustedToken("typ names another kind of token")


def _check_is_access_token(signed: "SignedToken") -> None:
    _check_kind(signed, headers=("at+jwt",), claimed=("bearer", "at+jwt", "access"))
    foreign = ["token_use"] if signed.payload.get("token_use") == "id" else []
    foreign += [name for name in _FOREIGN_CLAIMS if name in signed.payload]
    if foreign:
        raise UntrustedToken(f"another kind of token: it has {foreign[0]}")


def _check_belongs_to(signed: "SignedToken", access_token: str, *, reads_access_token: bool) -> None:
    """Check that an ID token belongs to *access_token*: by ``at_hash``, if present, and by its subject, if readable."""
    if signed.payload.get("at_hash") is not None:
        # The algorithm's hash (OpenID Connect Core 3.1.3.6); those without a number, such as EdDSA, use SHA-512.
        sha_2 = _SHA_2.get(str(signed.header.get("alg"))[-3:], hashlib.sha512)
        half = sha_2(access_token.encode()).digest()
        expected = base64.urlsafe_b64encode(half[: len(half) // 2]).rstrip(b"=")
        if not hmac.compare_digest(_required(signed.payload, "at_hash", nonempty_text).encode(), expected):
            raise UntrustedToken("at_hash belongs to another access token")
    if not reads_access_token:
        return
    try:
        subject = identifier(_parse(access_token).payload.get("sub"))
    except MalformedToken:
        return  # opaque; code that needs its claims refuses it
    if subject is not None and subject != signed.payload.get("sub"):
        raise UntrustedToken("sub differs from that of the access token; set BODHI_AUTH_ACCESS_TOKENS=opaque")


def _required(payload: Mapping[str, Any], name: str, read: Callable[[object], Value | None]) -> Value:
    """Return the value of a claim, as *read* returns it."""
    value = read(payload.get(name))
    if value is None:
        raise UntrustedToken(f"{name} is missing or invalid")
    return value


def _quoted(claim: object) -> str:
    text = str(claim)[:_LONGEST_QUOTED]
    return text if text.isprintable() else ascii(text)
