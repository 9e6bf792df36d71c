"""The authorization endpoint, its login page, and the provider's own session cookie."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from aiohttp import hdrs, web

from bodhi.testing.identity_provider import pages
from bodhi.testing.identity_provider.clients import Client
from bodhi.testing.identity_provider.consents import SCOPE_PREFIX
from bodhi.testing.identity_provider.errors import OAuthError
from bodhi.testing.identity_provider.grants import Family
from bodhi.testing.identity_provider.parameters import parameters_of
from bodhi.testing.identity_provider.realm import Realm
from bodhi.testing.identity_provider.sessions import ProviderSession

COOKIE = "development_provider_session"
STANDARD_SCOPES = ("openid", "email", "profile", "roles", "offline_access")
USER_SCOPE_PREFIX = "scope_user_"


class Authorization:
    """Authenticates the user and redirects back with a code."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Show the login page; redirect back if the browser has a session or the request is invalid."""
        parameters = await parameters_of(request)
        client = self._client(parameters)
        if client is None:
            return pages.error_page("This link does not come from an application that is registered here.")
        try:
            self._check(parameters)
            session = self._valid_session(request, parameters)
            if session is None and "none" in parameters.get("prompt", "").split():
                raise OAuthError("login_required", "the user is not signed in")
        except OAuthError as error:
            return self._redirect_back(parameters, {"error": error.error, "error_description": error.description})
        if session is None:
            return pages.login(self._realm, client, parameters)
        return self._redirect_back(parameters, self._issue_code(session, client, parameters))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """Log in the user named by the form field ``user``; redirect back with a code and a session cookie."""
        parameters = await parameters_of(request)
        client, person = self._client(parameters), self._realm.accounts.named(parameters.get("user", ""))
        if client is None or person is None:
            return pages.error_page("This form does not belong to a login.")
        try:
            self._check(parameters)
        except OAuthError as error:
            return self._redirect_back(parameters, {"error": error.error, "error_description": error.description})
        session = self._realm.sessions.begin(person, self._realm.now())
        response = self._redirect_back(parameters, self._issue_code(session, client, parameters))
        cookie, path = self._realm.secret(session.cookie), cookie_path(self._realm)
        response.set_cookie(COOKIE, cookie, path=path, httponly=True, samesite="Lax")
        return response

    def session_of(self, request: web.Request) -> ProviderSession | None:
        """Return the browser's session, or None."""
        return self._realm.sessions.of_cookie(request.cookies.get(COOKIE, ""))

    def _client(self, parameters: Mapping[str, str]) -> Client | None:
        """Return the client, or None if it is unknown or the redirect URI is not registered."""
        client = self._realm.clients.get(parameters.get("client_id", ""))
        return client if client and client.may_return_to(parameters.get("redirect_uri", "")) else None

    def _valid_session(self, request: web.Request, parameters: Mapping[str, str]) -> ProviderSession | None:
        """Return the browser's session, or None if the client requires a new login."""
        session = self.session_of(request)
        if session is None or "login" in parameters.get("prompt", "").split():
            return None
        max_age = parameters.get("max_age", "")
        too_old = max_age.isdecimal() and self._realm.now() - session.auth_time > int(max_age)
        return None if too_old else session

    def _check(self, parameters: Mapping[str, str]) -> None:
        shape = self._realm.shape
        if shape.authorization_error:
            raise OAuthError(shape.authorization_error, shape.authorization_error_description)
        if parameters.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        if parameters.get("response_mode", "query") != "query":
            raise OAuthError("invalid_request", "response_mode must be query")
        if parameters.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "code_challenge_method must be S256")
        if len(parameters.get("code_challenge", "")) != 43:
            raise OAuthError("invalid_request", "code_challenge must be 43 characters")

    def _issue_code(self, session: ProviderSession, client: Client, parameters: Mapping[str, str]) -> dict[str, str]:
        scope = " ".join(
            name
            for name in parameters.get("scope", "").split()
            if self._is_allowed_scope(name, client, session.person.user_id)
        )
        code = self._realm.grants.new_code(
            Family(client.client_id, session, scope, parameters.get("nonce")),
            redirect_uri=parameters["redirect_uri"],
            challenge=parameters["code_challenge"],
            now=self._realm.now(),
        )
        return {"session_state": session.sid, "code": self._realm.secret(code)}

    def _is_allowed_scope(self, scope: str, client: Client, user_id: str) -> bool:
        if scope.startswith(SCOPE_PREFIX):
            consent = self._realm.consents.of_scope(scope)
            return consent is not None and (consent.app_client_id, consent.user_id) == (client.client_id, user_id)
        known = scope in STANDARD_SCOPES or scope.startswith(USER_SCOPE_PREFIX)
        return known or any(scope == client.scope for client in self._realm.clients.values())

    def _redirect_back(self, parameters: Mapping[str, str], result: Mapping[str, str]) -> web.Response:
        """Redirect to the client, with the issuer (RFC 9207)."""
        state = {"state": parameters["state"]} if "state" in parameters else {}
        return see_other(parameters["redirect_uri"], {**state, **result, "iss": self._realm.issuer})


def cookie_path(realm: Realm) -> str:
    """Return the cookie's path, which excludes applications on the same host."""
    return urlsplit(realm.issuer).path


def see_other(url: str, parameters: Mapping[str, str]) -> web.Response:
    """Redirect to *url* with *parameters* added to its query."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    location = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    return web.Response(status=303, headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})
