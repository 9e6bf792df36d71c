"""A user of the realm without a browser, and a client to log in to."""

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import aiohttp
from joserfc import jwk, jwt
from yarl import URL

SCOPE = "openid email profile roles"


@dataclass
class Client:
    """A confidential client of the realm."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def authorization(self, **more: str) -> dict[str, str]:
        """Return the parameters of an authorization request; empty values in *more* remove a parameter."""
        challenge = urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **more,
        }
        return {name: value for name, value in parameters.items() if value}

    def code(self, code: str, **more: str) -> dict[str, str]:
        """Return the form that redeems a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri}
        return {**form, "code_verifier": self.verifier, **self.credentials, **more}

    def refresh(self, refresh_token: str) -> dict[str, str]:
        """Return the form of a refresh."""
        return {"grant_type": "refresh_token", "refresh_token": refresh_token, **self.credentials}

    def exchange(self, token: str, scope: str) -> dict[str, str]:
        """Return the form that exchanges another client's token."""
        grant_type = "urn:ietf:params:oauth:grant-type:token-exchange"
        form = {"grant_type": grant_type, "subject_token": token, "audience": self.client_id, "scope": scope}
        return {**form, **self.credentials}

    @property
    def credentials(self) -> dict[str, str]:
        """Return the credentials for a form."""
        return {"client_id": self.client_id, "client_secret": self.client_secret}


class Visitor:
    """A user with a cookie jar, who submits the realm's forms."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        # unsafe: keep cookies of hosts that are addresses, as browsers do
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.close()

    async def authorize(self, client: Client, username: str = "", **more: str) -> dict[str, str]:
        """Authorize and return the parameters for the redirect URI; log in as *username* if asked."""
        url = f"{self.issuer}/protocol/openid-connect/auth?{urlencode(client.authorization(**more))}"
        return await self.follow(url, client.redirect_uri, username)

    async def follow(self, place: str, redirect_uri: str, username: str = "") -> dict[str, str]:
        """Return the parameters for *redirect_uri*, or the page shown instead."""
        for _ in range(6):
            if place.startswith(redirect_uri):
                return {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
            if "/login/" in place:
                assert username, "the realm asks who it is"
                request = self._http.post(place, data={"username": username}, allow_redirects=False)
            else:
                request = self._http.get(URL(place, encoded=True), allow_redirects=False)
            async with request as answer:
                if "Location" not in answer.headers:
                    return {"error": str(answer.status), "page": await answer.text()}
                place = urljoin(place, answer.headers["Location"])
        raise AssertionError(f"redirected in circles: {place}")

    async def log_in(self, client: Client, username: str = "", **more: str) -> dict[str, Any]:
        """Log in and return the tokens."""
        status, tokens = await self.token(client.code((await self.authorize(client, username, **more))["code"]))
        assert status == 200, tokens
        return tokens

    async def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return the response of the token endpoint."""
        async with self._http.post(f"{self.issuer}/protocol/openid-connect/token", data=form) as answer:
            return answer.status, await answer.json()

    async def get(self, url: str, **params: str) -> tuple[int, str]:
        """A page."""
        async with self._http.get(url, params=params) as answer:
            return answer.status, await answer.text()

    async def log_out(self, id_token: str, return_to: str) -> tuple[int, str]:
        """Log out at the realm, and return the redirect URL."""
        url = f"{self.issuer}/protocol/openid-connect/logout"
        status, page = await self.get(url, id_token_hint=id_token, post_logout_redirect_uri=return_to)
        assert status == 200, page
        action = re.search(r'action="([^"]+)"', page)
        assert action is not None, page
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page))
        async with self._http.post(action[1], data=fields, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location", "")

    async def call(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, Any]:
        """Return the response of a management call."""
        headers = {"x-bodhi-app-version": "test"} | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self._http.request(method, f"{self.issuer}/bodhi/{path}", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def claims(self, token: str) -> dict[str, Any]:
        """Return the verified claims of a token."""
        async with self._http.get(f"{self.issuer}/protocol/openid-connect/certs") as answer:
            keys = jwk.KeySet.import_key_set(await answer.json())
        return jwt.decode(token, keys, algorithms=["RS256"]).claims
