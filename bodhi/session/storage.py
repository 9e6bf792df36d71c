"""The storage for ``aiohttp_session.setup``: each request has a `RequestSession` of its own."""

import aiohttp_session
from aiohttp import web

from bodhi.options import whole_max_age
from bodhi.session.manager import SessionManager
from bodhi.session.request_session import RequestSession, SetupOptions
from bodhi.session.session import Session

_CURRENT = web.RequestKey("REQUEST_SESSION", RequestSession)


class SessionStorage(aiohttp_session.AbstractStorage):
    """Sessions of a :class:`~bodhi.session.manager.SessionManager` for aiohttp-session's own middleware.

    With *max_age* (seconds) cookies say Max-Age, and no session lives longer than that.
    """

    def __init__(self, manager: SessionManager, *, max_age: float | None = None) -> None:
        super().__init__(cookie_name=manager.cookie.full_name, max_age=whole_max_age("max_age", max_age))
        self._options = SetupOptions(manager, max_age=self.max_age)

    async def load_session(self, request: web.Request) -> Session:
        """The visitor's session, or a new one; raises :exc:`SessionUnavailable`, never a new one in its place."""
        return await self._current(request).load_session(request)

    async def new_session(self) -> Session:
        """A new session that takes the place of the visitor's present one when it is saved."""
        return Session(None, max_age=self.max_age, replaces=True)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: aiohttp_session.Session
    ) -> None:
        """Save the session and tell the browser what that needs."""
        await self._current(request).save_session(request, response, session)

    def _current(self, request: web.Request) -> RequestSession:
        current = request.get(_CURRENT)
        if current is None:
            request[_CURRENT] = current = RequestSession(self._options, request)
        return current
