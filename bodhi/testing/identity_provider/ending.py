"""Token revocation, logout, and back-channel logout of clients."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from bodhi.testing.identity_provider import pages
from bodhi.testing.identity_provider.authorization import COOKIE, Authorization, cookie_path, see_other
from bodhi.testing.identity_provider.parameters import credentials_of, parameters_of
from bodhi.testing.identity_provider.realm import Realm
from bodhi.testing.identity_provider.sessions import ProviderSession

BACKCHANNEL_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BackchannelPost:
    """A sent logout token, and the status of the client's response; None without a response."""

    client_id: str
    logout_token: str = field(repr=False)
    status: int | None


class Ending:
    """Handles revocation and logout."""

    def __init__(self, realm: Realm, authorization: Authorization, http: Callable[[], aiohttp.ClientSession]) -> None:
        self._realm = realm
        self._authorization = authorization
        self._http = http
        self.backchannel_posts: list[BackchannelPost] = []

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a token; answer 200 even for an unknown one (RFC 7009)."""
        form = await parameters_of(request)
        client = self._realm.client(*credentials_of(request, form))
        token = form.get("token", "")
        if not self._realm.grants.revoke(token, client.client_id):
            claims = self._realm.keys.read(token) or {}
            if claims.get("azp") == client.client_id:
                self._realm.revoked_token_ids.add(str(claims.get("jti")))
        return web.Response()

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        """RP-initiated logout: end the sessions of the browser and of the ID token hint, then redirect back."""
        parameters = await parameters_of(request)
        hint = self._realm.keys.read(parameters.get("id_token_hint", "")) or {}
        client = self._realm.clients.get(parameters.get("client_id", "") or str(hint.get("azp")))
        redirect_uri = parameters.get("post_logout_redirect_uri")
        if redirect_uri is not None and (client is None or not client.may_end_at(redirect_uri)):
            return pages.error_page("This link leads to nowhere that is registered here; nobody was signed out.")
        for session in (self._authorization.session_of(request), self._realm.sessions.of_sid(str(hint.get("sid")))):
            if session is not None and not session.ended:
                await self.end(session)
        state = {"state": parameters["state"]} if "state" in parameters else {}
        response = pages.logged_out() if redirect_uri is None else see_other(redirect_uri, state)
        response.del_cookie(COOKIE, path=cookie_path(self._realm))
        return response

    async def end(self, session: ProviderSession) -> None:
        """End a session and send logout tokens to the clients with tokens of it."""
        self._realm.sessions.end(session)
        clients = [self._realm.clients[client_id] for client_id in sorted(session.client_ids)]
        await asyncio.gather(
            *(
                self.post_logout_token(
                    client.client_id, self._realm.logout_token(session, client.client_id), client.backchannel_logout_uri
                )
                for client in clients
                if client.backchannel_logout_uri is not None
            )
        )

    async def post_logout_token(self, client_id: str, logout_token: str, uri: str) -> int | None:
        """Send a logout token, valid or not; return the status of the response, or None."""
        status = None
        try:
            async with self._http().post(
                uri,
                data={"logout_token": logout_token},
                timeout=aiohttp.ClientTimeout(total=BACKCHANNEL_SECONDS),
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("logout token not delivered client_id=%s error=%s", client_id, type(error).__name__)
        self.backchannel_posts.append(BackchannelPost(client_id, logout_token, status))
        return status
