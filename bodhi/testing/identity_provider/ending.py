"""What ends tokens and sessions: revocation, logout, and the word of it to clients."""

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
    """A logout token that was sent, and how the client answered: None for not at all."""

    client_id: str
    logout_token: str = field(repr=False)
    status: int | None


class Ending:
    """Revokes tokens and ends sessions."""

    def __init__(self, realm: Realm, authorization: Authorization, http: Callable[[], aiohttp.ClientSession]) -> None:
        self._realm = realm
        self._authorization = authorization
        self._http = http
        self.backchannel_posts: list[BackchannelPost] = []

    async def revoke(self, request: web.Request) -> web.Response:
        """RFC 7009: 200 whether or not there was anything to revoke."""
        form = await parameters_of(request)
        client = self._realm.client(*credentials_of(request, form))
        token = form.get("token", "")
        if not self._realm.grants.revoke(token, client.client_id):
            claims = self._realm.keys.read(token) or {}
            if claims.get("azp") == client.client_id:
                self._realm.revoked_token_ids.add(str(claims.get("jti")))
        return web.Response()

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        """RP-initiated logout: the sessions of the browser and of the ID token end, and the way back."""
        asked = await parameters_of(request)
        hint = self._realm.keys.read(asked.get("id_token_hint", "")) or {}
        client = self._realm.clients.get(asked.get("client_id", "") or str(hint.get("azp")))
        back = asked.get("post_logout_redirect_uri")
        if back is not None and (client is None or not client.may_end_at(back)):
            return pages.refusal("This link leads to nowhere that is registered here; nobody was logged out.")
        for session in (self._authorization.session_of(request), self._realm.sessions.of_sid(str(hint.get("sid")))):
            if session is not None and not session.ended:
                await self.end(session)
        state = {"state": asked["state"]} if "state" in asked else {}
        response = pages.logged_out() if back is None else see_other(back, state)
        response.del_cookie(COOKIE, path=cookie_path(self._realm))
        return response

    async def end(self, session: ProviderSession) -> None:
        """End a session, and tell the clients that had tokens in it."""
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
        """Send a logout token, sound or not, and give the status of the answer."""
        status = None
        try:
            async with self._http().post(
                uri,
                data={"logout_token": logout_token},
                timeout=aiohttp.ClientTimeout(total=BACKCHANNEL_SECONDS),
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("%s did not answer to a logout token: %s", client_id, type(error).__name__)
        self.backchannel_posts.append(BackchannelPost(client_id, logout_token, status))
        return status
