"""The login in a session's data: tokens and claims.

Signatures are not verified here: the tokens came directly from the provider, and stored data is authenticated.
"""

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec

from bodhi.oidc.claims import Claims, identifier, seconds
from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.provider_errors import token_errors
from bodhi.server.access.recent_login import LEEWAY_SECONDS
from bodhi.server.authentication.token_expiry import expiry_of

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
    if tokens.id_token is not None and subject_of(tokens.id_token) == data[USER_ID]:
        data[ID_TOKEN] = tokens.id_token
        data[ID_CLAIMS] = claims_to_store(_payload(tokens.id_token))


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
    with token_errors():
        claims = Claims.of(own, *further, stored)
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
