"""The development provider as a server, with the methods that tests use to control it."""

import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import unescape
from typing import Any, Self

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from bodhi.server.access.scopes import Role
from bodhi.testing.identity_provider.accounts import PEOPLE, Person
from bodhi.testing.identity_provider.authorization import Authorization
from bodhi.testing.identity_provider.clients import Client
from bodhi.testing.identity_provider.controls import Controls
from bodhi.testing.identity_provider.ending import BackchannelPost, Ending
from bodhi.testing.identity_provider.errors import error_middleware
from bodhi.testing.identity_provider.grants import Family
from bodhi.testing.identity_provider.realm import Realm
from bodhi.testing.identity_provider.routes import local_host_only, routes
from bodhi.testing.identity_provider.shape import Shape

SHUTDOWN_SECONDS = 0.1  # grace period of running calls on exit
LOGIN_SCOPES = "openid email profile roles"


class DevelopmentProvider(Controls):
    """An OpenID Connect provider at ``<base>/realms/<realm>``, which runs while its context is entered.

    It listens on a free port of 127.0.0.1, or on *sockets* with the public URL *base_url*. *now* returns seconds since
    1970.
    """

    def __init__(
        self,
        *,
        realm: str = "bodhi",
        client_id: str = "bodhi",
        client_secret: str | None = None,
        redirect_uris: Iterable[str] = (),
        now: Callable[[], float] = time.time,
        access_token_seconds: float = 300,
        sockets: Sequence[socket.socket] = (),
        base_url: str | None = None,
    ) -> None:
        super().__init__()
        self.realm = Realm(now=now, access_token_seconds=access_token_seconds)
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_urlsafe(24)
        self._path = f"/realms/{realm}"
        if base_url is not None:
            self.realm.issuer = f"{base_url}{self._path}"
        self._sockets = tuple(sockets)
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._authorization = Authorization(self.realm)
        self._ending = Ending(self.realm, self._authorization, self._session)
        for person, role in PEOPLE:
            self.add_person(person, role)
        self.add_client(
            client_id,
            secret=self.client_secret,
            name="bodhi",
            redirect_uris=redirect_uris,
            any_loopback=True,
        )

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self.middleware, local_host_only, error_middleware])
        app.add_routes(routes(self.realm, self._path, self._authorization, self._ending))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        try:
            await self._listen(self._runner)
        except BaseException:
            await self._runner.cleanup()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        if self._http is not None:
            await self._http.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def issuer(self) -> str:
        """The issuer; without a ``base_url``, empty until the provider runs."""
        return self.realm.issuer

    @property
    def shape(self) -> Shape:
        """What the provider's answers look like, which may be changed."""
        return self.realm.shape

    @property
    def client(self) -> Client:
        """The default client, which may be modified."""
        return self.realm.clients[self.client_id]

    @property
    def issued_secrets(self) -> frozenset[str]:
        """Every token, code, verifier, secret and cookie that was issued or received."""
        return frozenset(self.realm.issued_secrets)

    @property
    def backchannel_posts(self) -> list[BackchannelPost]:
        """The logout tokens sent so far."""
        return self._ending.backchannel_posts

    def person(self, username: str) -> Person:
        """Return the user with this username, or raise :exc:`KeyError`."""
        person = self.realm.accounts.named(username)
        if person is None:
            raise KeyError(username)
        return person

    def add_person(self, person: Person, role: Role | None = None) -> Person:
        """Add an account with this role at the default client, and return it."""
        self.realm.accounts.add(person)
        self.realm.accounts.assign(self.client_id, person.user_id, role)
        return person

    def set_role(self, username: str, role: Role | None, *, client_id: str | None = None) -> None:
        """Set a user's role at a client, or remove it; tokens issued from now on carry it."""
        self.realm.accounts.assign(client_id or self.client_id, self.person(username).user_id, role)

    def add_client(
        self,
        client_id: str,
        *,
        secret: str | None = None,
        name: str = "",
        description: str = "",
        redirect_uris: Iterable[str] = (),
        post_logout_redirect_uris: Iterable[str] = (),
        any_loopback: bool = False,
        backchannel_logout_uri: str | None = None,
    ) -> Client:
        """Add a client and return it; it may be modified. Without *secret* it is a public client."""
        client = Client(
            client_id,
            None if secret is None else self.realm.secret(secret),
            name,
            description,
            tuple(redirect_uris),
            tuple(post_logout_redirect_uris),
            any_loopback,
            backchannel_logout_uri,
        )
        self.realm.clients[client_id] = client
        return client

    def issue_access_token(
        self,
        username: str = "user",
        *,
        client_id: str | None = None,
        audience: Iterable[str] | None = None,
        scope: str = LOGIN_SCOPES,
        expires_in: float | None = None,
        **claims: Any,
    ) -> str:
        """Issue an access token without a login.

        It belongs to no session of the provider. *claims* extend or replace the default claims; None removes one.
        """
        return self.realm.access_token(
            self.person(username),
            client_id=client_id or self.client_id,
            audience=[self.client_id] if audience is None else audience,
            scope=scope,
            expires_in=expires_in,
            **claims,
        )

    def issue_tokens(
        self,
        username: str = "user",
        *,
        client_id: str | None = None,
        scope: str = LOGIN_SCOPES,
        nonce: str | None = None,
    ) -> dict[str, Any]:
        """Issue the token response of a login, in a new session, without any request."""
        session = self.realm.sessions.begin(self.person(username), self.realm.now())
        return self.realm.tokens_of(Family(client_id or self.client_id, session, scope, nonce))

    def sign(
        self, payload: Mapping[str, Any] | bytes, header: Mapping[str, Any] | None = None, *, key: object = None
    ) -> str:
        """Return a JWT with any payload and header; see :meth:`SigningKeys.sign`."""
        return self.realm.sign(payload, header, key=key)

    def rotate_keys(self, *, withdraw: bool = False) -> None:
        """Sign with a new key from now on; *withdraw* removes the earlier keys from the JWKS."""
        self.realm.keys.rotate(withdraw=withdraw)

    async def end_sessions(self, username: str) -> None:
        """End all sessions of a user, and notify clients with a ``backchannel_logout_uri``."""
        for session in self.realm.sessions.of_person(self.person(username).user_id):
            await self._ending.end(session)

    async def post_logout_token(self, logout_token: str, uri: str, *, client_id: str | None = None) -> int | None:
        """Send a logout token, valid or not; return the status of the client's response, or None."""
        return await self._ending.post_logout_token(client_id or self.client_id, logout_token, uri)

    async def log_in_url(
        self, authorization_url: str, user: str = "admin", *, browser: aiohttp.ClientSession | None = None
    ) -> str:
        """Log in as *user* and return the URL that the browser is redirected back to.

        A *browser* with a cookie jar (``unsafe=True``, for IP addresses) keeps its session for the next login.
        """
        if browser is None:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as new_browser:
                return await self.log_in_url(authorization_url, user, browser=new_browser)
        async with browser.get(authorization_url, allow_redirects=False) as response:
            if response.status == 303:
                return response.headers[hdrs.LOCATION]
            form = re.search(r'<form method="post" action="([^"]+)">', await response.text())
            assert form is not None, f"expected the login page, got {response.status}"
            action = response.url.origin().join(URL(unescape(form[1]), encoded=True))
        async with browser.post(action, data={"user": user}, allow_redirects=False) as response:
            assert response.status == 303, f"expected a redirect, got {response.status}"
            return response.headers[hdrs.LOCATION]

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self._http

    async def _listen(self, runner: web.AppRunner) -> None:
        await runner.setup()
        for listener in self._sockets:
            await web.SockSite(runner, listener).start()
        if not self._sockets:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        if not self.realm.issuer:
            host, port = runner.addresses[0][:2]
            self.realm.issuer = f"http://{host}:{port}{self._path}"
