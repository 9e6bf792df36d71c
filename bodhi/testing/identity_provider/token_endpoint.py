"""The token endpoint with its four grants."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bodhi.testing.identity_provider.authorization import STANDARD_SCOPES, USER_SCOPE_PREFIX
from bodhi.testing.identity_provider.clients import Client
from bodhi.testing.identity_provider.consents import SCOPE_PREFIX
from bodhi.testing.identity_provider.errors import NO_STORE, OAuthError
from bodhi.testing.identity_provider.parameters import credentials_of, parameters_of
from bodhi.testing.identity_provider.realm import Realm

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - the name of a grant
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type

# The name of each grant's calls in counts and faults.
GRANTS = {
    "authorization_code": "code",
    "refresh_token": "refresh",
    "client_credentials": "client_credentials",
    TOKEN_EXCHANGE: "exchange",
}


class TokenEndpoint:
    """Issues tokens to authenticated clients."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._grants = {
            "code": self._code,
            "refresh": self._refresh,
            "client_credentials": self._client_credentials,
            "exchange": self._exchange,
        }

    async def issue(self, request: web.Request) -> web.Response:
        """Return tokens, or an error of RFC 6749."""
        form = await parameters_of(request)
        client = self._realm.client(*credentials_of(request, form))
        grant = self._grants.get(GRANTS.get(form.get("grant_type", ""), ""))
        if grant is None:
            raise OAuthError("unsupported_grant_type", "Unsupported grant_type")
        return web.json_response(grant(client, form), headers=NO_STORE)

    def _code(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        verifier = self._realm.secret(_required(form, "code_verifier"))
        family = self._realm.grants.redeem(
            _required(form, "code"),
            client.client_id,
            redirect_uri=form.get("redirect_uri", ""),
            challenge=base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            now=self._realm.now(),
        )
        return self._realm.tokens_of(family)

    def _refresh(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        token, realm = _required(form, "refresh_token"), self._realm
        if realm.rotates_refresh_tokens:
            return realm.tokens_of(realm.grants.refresh(token, client.client_id, realm.now()), is_login=False)
        return realm.tokens_without_refresh(realm.grants.family_of(token, client.client_id, realm.now()))

    def _client_credentials(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        if client.secret is None:
            raise OAuthError("unauthorized_client", "Public client not allowed to retrieve service account")
        scope = form.get("scope", "")
        return self._bearer(self._realm.service_token(client, scope), scope)

    def _exchange(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """RFC 8693: exchange an application's token for one of the client, with the same or fewer scopes."""
        if form.get("subject_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            raise OAuthError("invalid_request", "subject_token_type must be that of access tokens")
        if form.get("audience", client.client_id) != client.client_id:
            raise OAuthError("invalid_target", "the audience must be the client itself")
        subject = self._subject(_required(form, "subject_token"))
        person = self._realm.accounts.with_id(str(subject.get("sub")))
        if person is None or client.client_id not in subject.get("aud", ()):
            raise OAuthError(
                "invalid_token", "the subject token has an unknown subject or another audience", status=400
            )
        subject_scopes = str(subject.get("scope", "")).split()
        scopes = [
            name
            for name in form.get("scope", "").split()
            if name in STANDARD_SCOPES or _is_transferable(name, subject_scopes)
        ]
        token = self._realm.access_token(
            person,
            client_id=client.client_id,
            audience=[client.client_id],
            scope=" ".join(scopes),
            expires_in=min(self._realm.access_token_seconds, subject["exp"] - self._realm.now()),
            sid=subject.get("sid"),
            access_request_id=self._access_request_id(scopes),
        )
        return {**self._bearer(token, " ".join(scopes)), "issued_token_type": ACCESS_TOKEN_TYPE}

    def _subject(self, token: str) -> dict[str, Any]:
        try:
            return self._realm.read_access_token(token)
        except OAuthError as error:
            raise OAuthError("invalid_token", error.description) from error  # 401 would mean an unauthenticated client

    def _access_request_id(self, scopes: list[str]) -> str | None:
        consents = (self._realm.consents.of_scope(name) for name in scopes)
        return next((consent.access_request_id for consent in consents if consent is not None), None)

    def _bearer(self, token: str, scope: str) -> dict[str, Any]:
        expires_in = int(self._realm.access_token_seconds)
        return {"access_token": token, "token_type": "Bearer", "expires_in": expires_in, "scope": scope}


def _required(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise OAuthError("invalid_request", f"Missing parameter: {name}")
    return form[name]


def _is_transferable(scope: str, subject_scopes: list[str]) -> bool:
    return scope in subject_scopes and scope.startswith((USER_SCOPE_PREFIX, SCOPE_PREFIX))
