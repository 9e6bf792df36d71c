"""The login in a session's data: tokens, claims, and when they have to be renewed.

Signatures are not verified here: the tokens came directly from the provider, and stored data is authenticated.
"""

import base64
import binascii
import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec

from bodhi.oidc.claims import Claims, identifier, seconds
from bodhi.oidc.errors import MalformedToken
from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.errors import InvalidToken
from bodhi.server.access.recent_login import LEEWAY_SECONDS

USER_ID, ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN = "user_id", "access_token", "refresh_token", "id_token"
EXPIRES_AT = "access_expires_at"  # seconds since 1970, for access tokens without an expiry claim
CLOCK_OFFSET = "access_clock_offset"  # seconds to add to the access token's ``exp``; only where the clocks differ
SIGNED_IN_AT = "signed_in_at"  # seconds since 1970; set by a login, unchanged by refreshes
ID_CLAIMS = "id_claims"
USERINFO = "userinfo"
RECHECK_AT = "recheck_at"  # seconds since 1970: when the provider is asked again, though the access token is valid
EXPIRY_UNKNOWN = "access_expiry_unknown"  # the provider sent no lifetime of the access token
GRANTED_ROLE = "granted_role"  # as stored here at the login, if nobody but this server manages roles
IS_OPAQUE = "access_token_is_opaque"  # its content, if any, is not read

DEFAULT_LIFETIME_SECONDS = 300  # of an access token without expires_in and exp
LEAST_OFFSET_SECONDS = 5  # a smaller difference may be the time that the response took
POSTPONE_SECONDS = 60  # after a check that failed, while the access token is valid
LONGEST_TEXT = 2048  # characters of a stored claim; a picture may be written into a claim
DEEPEST = 20  # levels of lists and objects in a stored claim

# Claims that are not stored: they are not needed later, or would suggest that a refresh is a sign-in.
_DROPPED = frozenset(
    {"iss", "aud", "exp", "iat", "nonce", "at_hash", "c_hash", "auth_time", "acr", "amr", "azp", "typ"}
)

_decode = msgspec.json.Decoder().decode

log = logging.getLogger(__name__)


def login_data(tokens: Tokens, id_token: IdToken, now: float, *, is_opaque: bool = False) -> dict[str, Any]:
    """Return the session data of a login at *now* (seconds since 1970).

    With *is_opaque* access tokens are never parsed, even if they look like JWTs.
    """
    data: dict[str, Any] = {USER_ID: id_token.subject, SIGNED_IN_AT: _signed_in_at(id_token, int(now))}
    if is_opaque:
        data[IS_OPAQUE] = True
    refreshed_data(data, tokens, now)
    return data


def refreshed_data(data: dict[str, Any], tokens: Tokens, now: float) -> None:
    """Store new *tokens* in *data*; the old refresh token stays if there is no new one."""
    data[ACCESS_TOKEN] = tokens.access_token
    claims = {} if data.get(IS_OPAQUE) else _payload(tokens.access_token)
    data[EXPIRES_AT], offset = expiry_of(tokens.expires_in, claims, now)
    data.pop(CLOCK_OFFSET, None)
    if offset:
        data[CLOCK_OFFSET] = offset
    data[EXPIRY_UNKNOWN] = tokens.expires_in is None and claims.get("exp") is None
    data.pop(RECHECK_AT, None)
    if tokens.refresh_token is not None:
        data[REFRESH_TOKEN] = tokens.refresh_token
    id_claims = {} if tokens.id_token is None else _payload(tokens.id_token)
    if identifier(id_claims.get("sub")) == data[USER_ID]:
        data[ID_TOKEN] = tokens.id_token
        data[ID_CLAIMS] = claims_to_store(id_claims)


def expiry_of(expires_in: int | None, claims: Mapping[str, Any], now: float) -> tuple[int, int]:
    """Return when a token that arrived at *now* expires by this server's clock, and how much later than its ``exp``.

    The lifetime counts from the arrival: by the provider's clock the token may have expired long before it came. The
    second value is 0 where the clocks agree, and without ``exp`` or a lifetime.
    """
    exp, iat = seconds(claims.get("exp")), seconds(claims.get("iat"))
    lifetimes = [expires_in] if expires_in is not None else []
    if exp is not None and iat is not None:
        lifetimes.append(exp - iat)
    lifetime = min(lifetimes, default=0)
    if exp is None or lifetime <= 0:
        return int(now + (expires_in or DEFAULT_LIFETIME_SECONDS)), 0
    offset = int(now + lifetime) - exp
    return int(now + lifetime), offset if abs(offset) >= LEAST_OFFSET_SECONDS else 0


def claims_to_store(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the *claims* of an ID token or of userinfo that a session keeps."""
    return {name: value for name, value in claims.items() if name not in _DROPPED and _is_storable(value)}


def _is_storable(value: object) -> bool:
    return len(value) <= LONGEST_TEXT if isinstance(value, str) else not _is_deeper(value, DEEPEST)


def _is_deeper(value: object, levels: int) -> bool:
    """Whether *value* has more than so many levels of lists and objects."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return items is not None and (levels == 0 or any(_is_deeper(item, levels - 1) for item in items))


def signed_in_at(data: Mapping[str, Any]) -> int | None:
    """Return when the user of the session with *data* signed in (seconds since 1970), or None if it is not stored."""
    return seconds(data.get(SIGNED_IN_AT))


def _signed_in_at(id_token: IdToken, now: int) -> int:
    """Return ``auth_time``, which single sign-on makes earlier than the login, or *now* if it is unusable."""
    auth_time = id_token.claims.get("auth_time")
    at = seconds(auth_time)
    if auth_time is not None and (at is None or at > now + LEEWAY_SECONDS):
        log.warning("auth_time of the ID token is invalid or in the future: the time of the login is used")
        at = None
    return now if at is None else min(at, now)


def is_for_another_user(data: Mapping[str, Any], tokens: Tokens) -> bool:
    """Whether new tokens for the session with *data* have another subject, as far as they can be read."""
    readable = [] if data.get(IS_OPAQUE) else [tokens.access_token]
    readable += [tokens.id_token] if tokens.id_token is not None else []
    return any(subject_of(token) not in (None, data.get(USER_ID)) for token in readable)


def claims_in(data: Mapping[str, Any]) -> Claims:
    """Return the claims of the session's access token, completed by those of userinfo and its ID token.

    Subject and expiry were stored at the login or refresh, for access tokens that lack these claims, use other types,
    or are opaque. Raises :exc:`InvalidToken` if they are missing everywhere.
    """
    own = {} if data.get(IS_OPAQUE) else _payload(data[ACCESS_TOKEN])
    # Userinfo comes first: a refresh may return no ID token, and the claims are then those of the login.
    further = [claims for name in (USERINFO, ID_CLAIMS) if isinstance(claims := data.get(name), dict)]
    stored = {"sub": data.get(USER_ID), "exp": data.get(EXPIRES_AT)}
    try:
        claims = Claims.of(own, *further, stored)
    except MalformedToken as error:
        raise InvalidToken from error
    offset = data.get(CLOCK_OFFSET)
    return replace(claims, expires_at=claims.expires_at + offset) if offset else claims


def subject_of(token: str) -> str | None:
    """Return the subject of a JWT, or None if there is none."""
    return identifier(_payload(token).get("sub"))


@lru_cache(maxsize=256)  # several claims of a token are read in a row
def _payload(token: str) -> dict[str, Any]:
    """Return the payload of a JWT, or an empty dict for any other token. Do not modify the result."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        return {}
    try:
        payload = _decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


class RenewalPolicy:
    """Decides from a session's data when the provider is asked about the login again."""

    def __init__(self, *, recheck_seconds: int = 0, keeps_without_refresh: bool = False) -> None:
        """The provider is asked at least every *recheck_seconds*, however long access tokens live; 0: not so.

        With *keeps_without_refresh*, a login without refresh token does not end with its access token.
        """
        self._recheck_seconds = recheck_seconds
        self._keeps_without_refresh = keeps_without_refresh
        self._has_warned = False

    def due_at(self, data: Mapping[str, Any], claims: Claims) -> float:
        """Return when the login in *data*, with *claims*, has to be renewed or checked, in seconds since 1970."""
        recheck_at = seconds(data.get(RECHECK_AT))
        rechecked_at = math.inf if recheck_at is None else recheck_at
        return rechecked_at if self.outlives_token(data) else min(rechecked_at, claims.expires_at)

    def outlives_token(self, data: Mapping[str, Any]) -> bool:
        """Whether the login in *data* goes on after its access token has expired, without a refresh."""
        return self._keeps_without_refresh and REFRESH_TOKEN not in data

    def is_checkable(self, data: Mapping[str, Any], now: float) -> bool:
        """Whether a refusal of the access token in *data* means more than that it has expired."""
        return bool(data.get(EXPIRY_UNKNOWN)) or now < claims_in(data).expires_at

    def schedule(self, data: dict[str, Any], now: float) -> None:
        """Set the time of the next check, after a login, a refresh or a check."""
        if self._recheck_seconds:
            data[RECHECK_AT] = int(now) + self._recheck_seconds

    def warn_without_refresh(self, data: Mapping[str, Any]) -> None:
        """Warn, once, if the login in *data* came without a refresh token."""
        if REFRESH_TOKEN in data or self._has_warned:
            return
        self._has_warned = True
        end = "live by their own timeouts" if self._keeps_without_refresh else "end with the access token"
        log.warning(
            "the identity provider sent no refresh token: sessions %s (BODHI_AUTH_WITHOUT_REFRESH); many send "
            "one for the scope offline_access (BODHI_AUTH_SCOPES)",
            end,
        )


def postpone(data: dict[str, Any], now: float) -> None:
    """Set the next check to be soon, after one that failed."""
    data[RECHECK_AT] = int(now) + POSTPONE_SECONDS
