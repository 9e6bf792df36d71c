"""What a login leaves in a session's data, and what is read from it again.

Nothing here checks a signature: the tokens came from the provider itself, and stored data is authenticated.
"""

import base64
import binascii
import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from bodhi.oidc.claims import Claims, identifier, seconds
from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.provider_errors import token_errors
from bodhi.server.access.recent_login import LEEWAY_SECONDS

USER_ID, ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN = "user_id", "access_token", "refresh_token", "id_token"
EXPIRES_AT = "access_expires_at"  # seconds since 1970, for access tokens that do not say it themselves
SIGNED_IN_AT = "signed_in_at"  # seconds since 1970; written by a login, and kept by every refresh
ID_CLAIMS = "id_claims"
IS_OPAQUE = "access_token_is_opaque"  # what it says, if anything, is not for us

USUAL_SECONDS = 300  # of an access token whose provider does not say how long it lives

# Of an ID token, what nobody asks for later, or what the login has noted: a refresh is no sign-in.
_SPENT = frozenset({"iss", "aud", "exp", "iat", "nonce", "at_hash", "c_hash", "auth_time", "acr", "amr", "azp", "typ"})

_decode = msgspec.json.Decoder().decode

log = logging.getLogger(__name__)


def login_data(tokens: Tokens, id_token: IdToken, now: float, *, is_opaque: bool = False) -> dict[str, Any]:
    """What is put into the session of somebody who logged in at *now* (seconds since 1970).

    With *is_opaque* access tokens are never read, though they may look like JWTs.
    """
    data: dict[str, Any] = {USER_ID: id_token.subject, SIGNED_IN_AT: _signed_in_at(id_token, int(now))}
    if is_opaque:
        data[IS_OPAQUE] = True
    refreshed_data(data, tokens, now)
    return data


def refreshed_data(data: dict[str, Any], tokens: Tokens, now: float) -> None:
    """Put the tokens into *data*, as of a refresh; a refresh token that does not come stays the old one."""
    data[ACCESS_TOKEN] = tokens.access_token
    data[EXPIRES_AT] = int(now + (tokens.expires_in or USUAL_SECONDS))
    if tokens.refresh_token is not None:
        data[REFRESH_TOKEN] = tokens.refresh_token
    if tokens.id_token is not None and subject_of(tokens.id_token) == data[USER_ID]:
        data[ID_TOKEN] = tokens.id_token
        data[ID_CLAIMS] = {name: value for name, value in _payload(tokens.id_token).items() if name not in _SPENT}


def signed_in_at(data: Mapping[str, Any]) -> int | None:
    """When the person of the session with *data* signed in (seconds since 1970); None where a login did not note it."""
    return seconds(data.get(SIGNED_IN_AT))


def _signed_in_at(id_token: IdToken, now: int) -> int:
    """``auth_time``, which may be long before a login that single sign-on answered; *now* where it is not usable."""
    told = id_token.claims.get("auth_time")
    at = seconds(told)
    if told is not None and (at is None or at > now + LEEWAY_SECONDS):
        log.warning("the ID token's auth_time is no time, or in the future: the time of the login counts")
        at = None
    return now if at is None else min(at, now)


def is_for_another_user(data: Mapping[str, Any], tokens: Tokens) -> bool:
    """Whether new tokens for the session with *data* are, as far as can be read, about somebody else."""
    told = [] if data.get(IS_OPAQUE) else [tokens.access_token]
    told += [tokens.id_token] if tokens.id_token is not None else []
    return any(subject_of(token) not in (None, data.get(USER_ID)) for token in told)


def claims_in(data: Mapping[str, Any]) -> Claims:
    """The claims of the session's access token, completed by those of its ID token.

    Whose session it is and when the access token expires were noted at the login or the refresh: an access token that
    does not say so, says it in another form, or is for the provider alone to read, is no obstacle.
    ``token_error-invalid_token`` where nothing says it.
    """
    own = {} if data.get(IS_OPAQUE) else _payload(data[ACCESS_TOKEN])
    id_claims = data.get(ID_CLAIMS)
    noted = {"sub": data.get(USER_ID), "exp": data.get(EXPIRES_AT)}
    with token_errors():
        return Claims.of(own, id_claims if isinstance(id_claims, dict) else {}, noted)


def subject_of(token: str) -> str | None:
    """Whom a token is about, or None where it does not say so itself."""
    return identifier(_payload(token).get("sub"))


@lru_cache(maxsize=256)  # of one token, several things are asked in a row
def _payload(token: str) -> dict[str, Any]:
    """The payload of a JWT, never to be changed; empty for any other token."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        return {}
    try:
        payload = _decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return {}
    return payload if isinstance(payload, dict) else {}
