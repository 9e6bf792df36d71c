"""Login session data of realistic size, for bodhi and the Redis verifier."""

import base64
import json
import time
from typing import Any

from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.scopes import Role
from bodhi.server.authentication.login_data import login_data

CLIENT_ID = "bodhi"


def login_of(user_id: str, role: Role = Role.POWER_USER) -> dict[str, Any]:
    """Return session data: three tokens and the claims, about 4 KB."""
    tokens = Tokens(
        access_token(user_id, role), _token({"sub": user_id, "typ": "Refresh"}, 300), id_token(user_id), 86_400
    )
    return login_data(tokens, IdToken(user_id, None, {}), time.time())


def access_token(user_id: str, role: Role = Role.POWER_USER) -> str:
    """Return an access token without a valid signature, which is not verified again in a session."""
    roles = {CLIENT_ID: {"roles": [str(role)]}, "account": {"roles": ["manage-account", "view-profile"]}}
    return _token({**_profile_claims(user_id), "resource_access": roles, "scope": "openid email profile roles"}, 200)


def id_token(user_id: str) -> str:
    """Return an ID token without a valid signature."""
    return _token({**_profile_claims(user_id), "aud": CLIENT_ID, "nonce": "n" * 43, "at_hash": "h" * 22}, 0)


def _profile_claims(user_id: str) -> dict[str, Any]:
    now = int(time.time())
    return {
        "exp": now + 86_400,
        "iat": now,
        "iss": "https://id.example.com/realms/example",
        "sub": user_id,
        "preferred_username": user_id,
        "email": f"{user_id}@example.com",
        "given_name": "Ada",
        "family_name": "Lovelace",
    }


def _token(claims: dict[str, Any], filling: int) -> str:
    """Return a JWT with *filling* bytes of additional claims."""
    payload = json.dumps({**claims, "filling": "x" * filling}).encode()
    return f"eyJhbGciOiJSUzI1NiJ9.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.{'s' * 342}"
