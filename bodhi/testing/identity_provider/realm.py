"""The state of a provider, and its tokens."""

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from bodhi.testing.identity_provider.accounts import Accounts, Person
from bodhi.testing.identity_provider.clients import Client
from bodhi.testing.identity_provider.consents import Consents
from bodhi.testing.identity_provider.errors import OAuthError
from bodhi.testing.identity_provider.grants import Family, Grants
from bodhi.testing.identity_provider.sessions import ProviderSession, ProviderSessions
from bodhi.testing.identity_provider.shape import Shape, shaped
from bodhi.testing.identity_provider.signing import SigningKeys

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_SECONDS = 120


@dataclass(slots=True)
class Realm:
    """Holds the state of a provider and issues its tokens."""

    issuer: str = ""  # set when the server listens
    now: Callable[[], float] = time.time
    access_token_seconds: float = 300
    rotates_refresh_tokens: bool = True
    clients_may_list_users: bool = False  # with their service accounts
    accounts: Accounts = field(default_factory=Accounts)
    clients: dict[str, Client] = field(default_factory=dict)
    consents: Consents = field(default_factory=Consents)
    sessions: ProviderSessions = field(default_factory=ProviderSessions)
    grants: Grants = field(default_factory=Grants)
    keys: SigningKeys = field(default_factory=SigningKeys)
    issued_secrets: set[str] = field(default_factory=set, repr=False)
    revoked_token_ids: set[str] = field(default_factory=set)
    shape: Shape = field(default_factory=Shape)
    _opaque_tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def secret(self, text: str) -> str:
        """Record *text* as a secret that must not appear in logs, and return it."""
        self.issued_secrets.add(text)
        return text

    def sign(
        self, payload: Mapping[str, Any] | bytes, header: Mapping[str, Any] | None = None, *, key: object = None
    ) -> str:
        """Return a JWT; see :meth:`SigningKeys.sign`."""
        named = header or {} if self.shape.key_ids else {"kid": None, **(header or {})}
        return self.secret(self.keys.sign(payload, named, key=key))

    def tokens_of(self, family: Family, *, is_login: bool = True) -> dict[str, Any]:
        """Return the token response to a login or refresh, with a new refresh token."""
        if not self.shape.refresh_tokens:
            return self.tokens_without_refresh(family, is_login=is_login)
        refresh_token = self.secret(self.grants.new_refresh_token(family, self.now()))
        return {**self.tokens_without_refresh(family, is_login=is_login), "refresh_token": refresh_token}

    def tokens_without_refresh(self, family: Family, *, is_login: bool = False) -> dict[str, Any]:
        """Return the token response without a refresh token."""
        session, scopes = family.session, family.scope.split()
        session.client_ids.add(family.client_id)
        audience = [family.client_id, *(client.client_id for client in self.clients.values() if client.scope in scopes)]
        access_token = self.access_token(
            session.person, client_id=family.client_id, audience=audience, scope=family.scope, sid=session.sid
        )
        response = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(self.access_token_seconds),
            "scope": family.scope,
            "session_state": session.sid,
        }
        if "openid" in scopes and (is_login or self.shape.id_token_after_refresh):
            response["id_token"] = self.id_token(family, access_token)
        return response

    def access_token(
        self,
        person: Person,
        *,
        client_id: str,
        audience: Iterable[str],
        scope: str,
        expires_in: float | None = None,
        **claims: Any,
    ) -> str:
        """Issue an access token. *claims* extend or replace the default claims; None removes one."""
        audience = list(audience)
        payload = {
            **self._common_claims(self.access_token_seconds if expires_in is None else expires_in),
            "aud": audience,
            "sub": person.user_id,
            "typ": "Bearer",
            "azp": client_id,
            "scope": scope,
            **person.claims(),
            "resource_access": self.accounts.resource_access(audience, person.user_id) or None,
            **claims,
        }
        token = self.sign(shaped(payload, self.shape.access_token_claims, person))
        return self._opaque(token) if self.shape.opaque_access_tokens else token

    def service_token(self, client: Client, scope: str) -> str:
        """Issue an access token for a client's service account."""
        return self.sign(
            {
                **self._common_claims(self.access_token_seconds),
                "aud": [client.client_id],
                "sub": f"service-account-{client.client_id}",
                "typ": "Bearer",
                "azp": client.client_id,
                "scope": scope,
                "preferred_username": f"service-account-{client.client_id}",
            }
        )

    def id_token(self, family: Family, access_token: str) -> str:
        """Issue the ID token of an access token."""
        session = family.session
        half_hash = hashlib.sha256(access_token.encode()).digest()[:16]
        payload = {
            **self._common_claims(self.access_token_seconds),
            "aud": family.client_id,
            "sub": session.person.user_id,
            "typ": "ID",
            "azp": family.client_id,
            "auth_time": int(session.auth_time),
            "nonce": family.nonce,
            "at_hash": base64.urlsafe_b64encode(half_hash).rstrip(b"=").decode(),
            "sid": session.sid,
            **session.person.claims(),
        }
        return self.sign(shaped(payload, self.shape.id_token_claims, session.person))

    def logout_token(self, session: ProviderSession, client_id: str, **claims: Any) -> str:
        """Issue a logout token, which notifies a client of the end of a session."""
        payload = {
            **self._common_claims(LOGOUT_TOKEN_SECONDS),
            "aud": client_id,
            "sub": session.person.user_id,
            "sid": session.sid,
            "events": {LOGOUT_EVENT: {}},
            **claims,
        }
        return self.sign({name: value for name, value in payload.items() if value is not None}, {"typ": "logout+jwt"})

    def read_access_token(self, token: str) -> dict[str, Any]:
        """Return the claims of a valid access token, or raise ``invalid_token``."""
        claims = self.keys.read(self._opaque_tokens.get(token, token))
        if (
            claims is None
            or claims.get("iss") != self.issuer
            or claims.get("typ") != "Bearer"
            or claims.get("exp", 0) < self.now()
            or claims.get("jti") in self.revoked_token_ids
        ):
            raise OAuthError("invalid_token", "Token verification failed", status=401)
        sid = claims.get("sid")
        if sid is not None and self.sessions.of_sid(sid) is None:
            raise OAuthError("invalid_token", "Session not active", status=401)
        return claims

    def client(self, client_id: str, secret: str | None, method: str) -> Client:
        """Return the client that authenticated with this method, or raise ``invalid_client``."""
        client = self.clients.get(client_id)
        if client is None or not client.has_secret(secret) or method not in self.shape.client_authentication:
            raise OAuthError("invalid_client", "Invalid client or Invalid client credentials", status=401)
        return client

    def _opaque(self, token: str) -> str:
        """Return a name for a token, which tells nothing by itself."""
        name = self.secret(secrets.token_urlsafe(32))
        self._opaque_tokens[name] = token
        return name

    def _common_claims(self, seconds: float) -> dict[str, Any]:
        now = self.now()
        return {"exp": int(now + seconds), "iat": int(now), "jti": str(uuid4()), "iss": self.issuer}
