"""Notes: an external application that uses bodhi on behalf of its users.

It knows nothing of bodhi but its API, and nothing of the realm but its discovery document.
"""

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import escape
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web


@dataclass
class Notes:
    """The application: it uses the API at *bodhi_url*; both log users in at *issuer*."""

    own_url: str
    bodhi_url: str
    issuer: str
    client_id: str
    client_secret: str
    http: aiohttp.ClientSession
    # What it asks the realm for, by access request; what it sent people away with, by state.
    _scopes: dict[str, str] = field(default_factory=dict)
    _verifiers: dict[str, str] = field(default_factory=dict)
    # The access tokens that it got, newest last: a test looks at them.
    tokens: list[str] = field(default_factory=list)

    @property
    def redirect_uri(self) -> str:
        """The redirect URI."""
        return f"{self.own_url}/callback"

    async def start(self, _: web.Request) -> web.Response:
        """The first page."""
        return _page(
            "Notes",
            """<p>Notes would like to see who you are at bodhi.</p>
            <form method="post" action="/connect">
              <label><input type="checkbox" name="scope" value="scope_user_user"> and act as you</label>
              <button>Connect to bodhi</button>
            </form>""",
        )

    async def connect(self, request: web.Request) -> web.Response:
        """Request access from bodhi, and redirect the user to the review page."""
        asked = {
            "app_client_id": self.client_id,
            "flow_type": "redirect",
            "redirect_url": f"{self.own_url}/decided",
            "requested": {"version": "1", "notes": ["read"]},
        }
        made = await self._json("POST", f"{self.bodhi_url}/bodhi/v1/apps/request-access", json=asked)
        self._scopes[made["id"]] = str((await request.post()).get("scope", ""))
        raise web.HTTPSeeOther(made["review_url"])

    async def decided(self, request: web.Request) -> web.Response:
        """Handle the return from bodhi: redirect to the realm after an approval."""
        request_id = request.query["id"]
        url = f"{self.bodhi_url}/bodhi/v1/apps/access-requests/{request_id}"
        found = await self._json("GET", url, params={"app_client_id": self.client_id})
        if found["status"] != "approved":
            return _page("Not connected", f"<p>The answer was: {escape(found['status'])}.</p>")
        scopes = ["openid", "profile", found["resource_scope"], found["access_request_scope"], self._scopes[request_id]]
        raise web.HTTPSeeOther(await self._authorization_url(" ".join(scope for scope in scopes if scope)))

    async def callback(self, request: web.Request) -> web.Response:
        """Handle the return from the realm: show the user as reported by bodhi."""
        verifier = self._verifiers.pop(request.query.get("state", ""), None)
        if verifier is None or "code" not in request.query:
            return _page("Not connected", f"<p>{escape(request.query.get('error', 'That was not expected'))}</p>")
        form = {
            "grant_type": "authorization_code",
            "code": request.query["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        tokens = await self._json("POST", (await self._discovery())["token_endpoint"], data=form)
        self.tokens.append(tokens["access_token"])
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        who = await self._json("GET", f"{self.bodhi_url}/bodhi/v1/user", headers=headers)
        return _page("Connected", f'<p>bodhi says:</p><pre role="status">{escape(json.dumps(who, indent=2))}</pre>')

    async def _authorization_url(self, scope: str) -> str:
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        self._verifiers[state] = verifier
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{(await self._discovery())['authorization_endpoint']}?{urlencode(query)}"

    async def _discovery(self) -> dict[str, Any]:
        return await self._json("GET", f"{self.issuer}/.well-known/openid-configuration")

    async def _json(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        async with self.http.request(method, url, **options) as answer:
            if not answer.ok:
                raise web.HTTPBadGateway(text=f"{method} {url}: {answer.status} {await answer.text()}")
            found: dict[str, Any] = await answer.json()
            return found


async def serve_notes(port: int, *, bodhi_url: str, issuer: str, client: dict[str, str]) -> AsyncIterator[Notes]:
    """Serve the application on *port* until the iterator ends."""
    async with aiohttp.ClientSession() as http:
        own_url = f"http://127.0.0.1:{port}"
        notes = Notes(own_url, bodhi_url, issuer, client["client_id"], client["client_secret"], http)
        app = web.Application()
        app.add_routes(
            [
                web.get("/", notes.start),
                web.post("/connect", notes.connect),
                web.get("/decided", notes.decided),
                web.get("/callback", notes.callback),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield notes
        await runner.cleanup()


def _page(title: str, content: str) -> web.Response:
    text = f"""<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <link rel="icon" href="data:,">
    <title>{title}</title>
  </head>
  <body><main><h1>{title}</h1>{content}</main></body>
</html>"""
    return web.Response(text=text, content_type="text/html")
