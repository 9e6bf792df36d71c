"""Create valid and forged tokens."""

import base64
import json
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from support.leaks import note

NOW = 1_800_000_000
CLIENT_ID = "resource-bodhi"
NONCE = "the-nonce-of-the-login"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"

Key = RSAKey | ECKey | OKPKey


class Clock:
    """A manual clock, in seconds since 1970."""

    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


def public(key: Key, **members: Any) -> dict[str, Any]:
    """Return the public JWK of *key*."""
    return {"use": "sig", **key.as_dict(private=False), **members}


def signed(payload: Any, key: Key, *, alg: str = "RS256", **header: Any) -> str:
    """Sign *payload* with *key* and its kid; None removes a header member."""
    members = {"alg": alg, "typ": "JWT", "kid": key.kid, **header}
    members = {name: value for name, value in members.items() if value is not None}
    signing_input = f"{encoded(members)}.{encoded(payload)}"
    signature = jws.JWSRegistry.algorithms[alg].sign(signing_input.encode(), key)
    return note(f"{signing_input}.{encoded(signature)}")


def encoded(part: Any) -> str:
    """Encode a segment of a token: bytes unchanged, other values as JSON."""
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def access_claims(issuer: str, **changes: Any) -> dict[str, Any]:
    """Return the claims of another client's access token; None removes one."""
    claims = {
        "exp": NOW + 300,
        "iat": NOW - 10,
        "jti": "onrtac:0c5e",
        "iss": issuer,
        "aud": [CLIENT_ID, "account"],
        "sub": "6ac3a51c",
        "typ": "Bearer",
        "azp": "app-of-somebody",
        "scope": "openid scope_user_user",
        "preferred_username": "alice",
        "given_name": "Alice",
    }
    return _changed(claims, changes)


def id_claims(issuer: str, **changes: Any) -> dict[str, Any]:
    """Return the claims of our ID token; None removes one."""
    claims = {
        "exp": NOW + 300,
        "iat": NOW - 1,
        "iss": issuer,
        "aud": CLIENT_ID,
        "azp": CLIENT_ID,
        "sub": "6ac3a51c",
        "typ": "ID",
        "nonce": NONCE,
        "sid": "session-at-provider",
    }
    return _changed(claims, changes)


def logout_claims(issuer: str, **changes: Any) -> dict[str, Any]:
    """Return the claims of our logout token; None removes one."""
    claims = {
        "iat": NOW,
        "exp": NOW + 120,
        "jti": "logout-1",
        "iss": issuer,
        "aud": CLIENT_ID,
        "sub": "6ac3a51c",
        "typ": "Logout",
        "sid": "session-at-provider",
        "events": {LOGOUT: {}},
    }
    return _changed(claims, changes)


def _changed(claims: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}
