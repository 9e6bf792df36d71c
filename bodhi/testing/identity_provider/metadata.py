"""Discovery, JWKS and userinfo."""

from typing import Any

from aiohttp import web

from bodhi.testing.identity_provider.authorization import STANDARD_SCOPES
from bodhi.testing.identity_provider.parameters import bearer_of
from bodhi.testing.identity_provider.realm import Realm
from bodhi.testing.identity_provider.shape import shaped
from bodhi.testing.identity_provider.signing import ALGORITHM
from bodhi.testing.identity_provider.token_endpoint import GRANTS

PROTOCOL = "/protocol/openid-connect"


class Metadata:
    """Handles the metadata endpoints."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    async def discovery(self, _: web.Request) -> web.Response:
        """Return the discovery document."""
        return web.json_response(self._document())

    async def certs(self, _: web.Request) -> web.Response:
        """Return the published keys."""
        keys = self._realm.keys.jwks()["keys"]
        has_ids = self._realm.shape.key_ids
        return web.json_response({"keys": keys if has_ids else [{**key, "kid": None} for key in keys]})

    async def userinfo(self, request: web.Request) -> web.Response:
        """Return the claims of the access token's user."""
        claims = self._realm.read_access_token(bearer_of(request))
        person = self._realm.accounts.with_id(str(claims.get("sub")))
        own, shape = {"sub": claims["sub"], **(person.claims() if person else {})}, self._realm.shape
        claims_sent = shaped(own, shape.userinfo_claims, person)
        if shape.userinfo_type == "json":
            return web.json_response(claims_sent)
        signed = self._realm.sign({**claims_sent, "iss": self._realm.issuer, "aud": claims.get("azp")})
        return web.Response(text=signed, content_type="application/jwt")

    def _document(self) -> dict[str, Any]:
        base = f"{self._realm.issuer}{PROTOCOL}"
        return {
            "issuer": self._realm.issuer,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/certs",
            "userinfo_endpoint": f"{base}/userinfo",
            "end_session_endpoint": f"{base}/logout",
            "revocation_endpoint": f"{base}/revoke",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANTS),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": list(self._realm.shape.client_authentication),
            "revocation_endpoint_auth_methods_supported": list(self._realm.shape.client_authentication),
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["none", "login"],
            "scopes_supported": list(STANDARD_SCOPES),
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }
