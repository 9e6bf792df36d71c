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
    """Asks who comes, and sends them back with a code."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """The login page, or the way back where the browser is known or something is wrong."""
        asked = await parameters_of(request)
        client = self._client(asked)
        if client is None:
            return pages.refusal("This link does not come from an application that is registered here.")
        try:
            self._check(asked)
            session = self._known(request, asked)
            if session is None and "none" in asked.get("prompt", "").split():
                raise OAuthError("login_required", "nobody is logged in")
        except OAuthError as error:
            return self._back(asked, {"error": error.error, "error_description": error.description})
        if session is None:
            return pages.login(self._realm, client, asked)
        return self._back(asked, self._success(session, client, asked))

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """The way back with a code and a session cookie; the form names the person under ``user``."""
        asked = await parameters_of(request)
        client, person = self._client(asked), self._realm.accounts.named(asked.get("user", ""))
        if client is None or person is None:
            return pages.refusal("This form does not belong to a login.")
        try:
            self._check(asked)
        except OAuthError as error:
            return self._back(asked, {"error": error.error, "error_description": error.description})
        session = self._realm.sessions.begin(person, self._realm.now())
        response = self._back(asked, self._success(session, client, asked))
        cookie, path = self._realm.secret(session.cookie), cookie_path(self._realm)
        response.set_cookie(COOKIE, cookie, path=path, httponly=True, samesite="Lax")
        return response

    def session_of(self, request: web.Request) -> ProviderSession | None:
        """Who is logged in with this browser."""
        return self._realm.sessions.of_cookie(request.cookies.get(COOKIE, ""))

    def _client(self, asked: Mapping[str, str]) -> Client | None:
        """The client, if it may be answered where it wants to be."""
        client = self._realm.clients.get(asked.get("client_id", ""))
        return client if client and client.may_return_to(asked.get("redirect_uri", "")) else None

    def _known(self, request: web.Request, asked: Mapping[str, str]) -> ProviderSession | None:
        """The browser's session, unless the client wants the person asked again."""
        session = self.session_of(request)
        if session is None or "login" in asked.get("prompt", "").split():
            return None
        max_age = asked.get("max_age", "")
        too_old = max_age.isdecimal() and self._realm.now() - session.auth_time > int(max_age)
        return None if too_old else session

    def _check(self, asked: Mapping[str, str]) -> None:
        if asked.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response_type must be code")
        if asked.get("response_mode", "query") != "query":
            raise OAuthError("invalid_request", "response_mode must be query")
        if asked.get("code_challenge_method") != "S256":
            raise OAuthError("invalid_request", "code_challenge_method must be S256")
        if len(asked.get("code_challenge", "")) != 43:
            raise OAuthError("invalid_request", "code_challenge must be 43 characters")

    def _success(self, session: ProviderSession, client: Client, asked: Mapping[str, str]) -> dict[str, str]:
        scope = " ".join(
            name for name in asked.get("scope", "").split() if self._may_have(name, client, session.person.user_id)
        )
        code = self._realm.grants.new_code(
            Family(client.client_id, session, scope, asked.get("nonce")),
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            now=self._realm.now(),
        )
        return {"session_state": session.sid, "code": self._realm.secret(code)}

    def _may_have(self, scope: str, client: Client, user_id: str) -> bool:
        if scope.startswith(SCOPE_PREFIX):
            consent = self._realm.consents.of_scope(scope)
            return consent is not None and (consent.app_client_id, consent.user_id) == (client.client_id, user_id)
        known = scope in STANDARD_SCOPES or scope.startswith(USER_SCOPE_PREFIX)
        return known or any(scope == one.scope for one in self._realm.clients.values())

    def _back(self, asked: Mapping[str, str], answer: Mapping[str, str]) -> web.Response:
        """The redirect to the client; RFC 9207 adds the issuer."""
        state = {"state": asked["state"]} if "state" in asked else {}
        return see_other(asked["redirect_uri"], {**state, **answer, "iss": self._realm.issuer})


def cookie_path(realm: Realm) -> str:
    """Where the cookie goes: not to applications, though they share the host."""
    return urlsplit(realm.issuer).path


def see_other(url: str, parameters: Mapping[str, str]) -> web.Response:
    """A redirect to *url* with *parameters* added to its query."""
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    location = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    return web.Response(status=303, headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store"})
