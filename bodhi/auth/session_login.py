"""What a login leaves in a session's data, and what is read from it again.

Nothing here checks a signature: the tokens came from the provider itself, and stored data is authenticated.
"""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from bodhi.auth.provider.answers import IdToken, Tokens
from bodhi.auth.provider.claims import Claims

USER_ID, ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN = "user_id", "access_token", "refresh_token", "id_token"  # noqa: S105 - keys
EXPIRES_AT = "access_expires_at"  # seconds since 1970, for access tokens that do not say it themselves
ID_CLAIMS = "id_claims"
LOGIN_KEYS = (USER_ID, ACCESS_TOKEN, REFRESH_TOKEN, ID_TOKEN, EXPIRES_AT, ID_CLAIMS)

# Of an ID token, what nobody asks for later.
_SPENT = frozenset({"iss", "aud", "exp", "iat", "nonce", "at_hash", "c_hash", "auth_time", "acr", "amr", "azp", "typ"})

_decode = msgspec.json.Decoder().decode


def login_data(tokens: Tokens, id_token: IdToken, now: float) -> dict[str, Any]:
    """What is put into the session of somebody who logged in at *now* (seconds since 1970)."""
    data: dict[str, Any] = {USER_ID: id_token.subject, ACCESS_TOKEN: tokens.access_token}
    if tokens.refresh_token is not None:
        data[REFRESH_TOKEN] = tokens.refresh_token
    if tokens.id_token is not None:
        data[ID_TOKEN] = tokens.id_token
    if tokens.expires_in is not None:
        data[EXPIRES_AT] = int(now + tokens.expires_in)
    data[ID_CLAIMS] = {name: value for name, value in id_token.claims.items() if name not in _SPENT}
    return data


def refreshed_data(data: dict[str, Any], tokens: Tokens, now: float) -> None:
    """Put the answer of a refresh into *data*; a refresh token that does not come stays the old one."""
    data[ACCESS_TOKEN] = tokens.access_token
    if tokens.refresh_token is not None:
        data[REFRESH_TOKEN] = tokens.refresh_token
    if tokens.id_token is not None:
        data[ID_TOKEN] = tokens.id_token
    data.pop(EXPIRES_AT, None)
    if tokens.expires_in is not None:
        data[EXPIRES_AT] = int(now + tokens.expires_in)


def claims_in(data: Mapping[str, Any]) -> Claims:
    """The claims of the session's access token, completed by those of its ID token.

    ``token_error-invalid_token`` where neither says who it is and until when. A provider may give access tokens that
    only itself can read: then its ID token and the time it gave say all.
    """
    own = _payload(data[ACCESS_TOKEN])
    id_claims = data.get(ID_CLAIMS)
    if isinstance(id_claims, dict):
        own = {**id_claims, **own}
    if "exp" not in own and isinstance(data.get(EXPIRES_AT), int):
        own = {**own, "exp": data[EXPIRES_AT]}
    return Claims.of(own)


def subject_of(access_token: str) -> str | None:
    """Whom an access token is about, or None where it does not say so itself."""
    subject = _payload(access_token).get("sub")
    return subject if isinstance(subject, str) else None


@lru_cache(maxsize=4096)
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
