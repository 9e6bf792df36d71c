"""The storage for ``aiohttp_session.setup``: each request gets its own `RequestSession`."""

import aiohttp_session
from aiohttp import web

from bodhi.options import whole_max_age
from bodhi.session.manager import SessionManager
from bodhi.session.request_session import RequestSession, SetupOptions
from bodhi.session.session import Session

_CURRENT = web.RequestKey("REQUEST_SESSION", RequestSession)


class SessionStorage(aiohttp_session.AbstractStorage):
    """Sessions of a :class:`~bodhi.session.manager.SessionManager` for aiohttp-session's own middleware.

    With *max_age* (seconds) cookies have Max-Age, and sessions live at most that long.
    """

    def __init__(self, manager: SessionManager, *, max_age: float | None = None) -> None:
        super().__init__(cookie_name=manager.cookie.full_name, max_age=whole_max_age("max_age", max_age))
        self._options = SetupOptions(manager, max_age=self.max_age)

    async def load_session(self, request: web.Request) -> Session:
        """Return the request's session, or a new one if it has none; an outage raises :exc:`SessionUnavailable`."""
        return await self._current(request).load_session(request)

    async def new_session(self) -> Session:
        """Return a new session, which replaces the request's current one when saved."""
        return Session(None, max_age=self.max_age, replaces=True)

    async def save_session(
        self, request: web.Request, response: web.StreamResponse, session: aiohttp_session.Session
    ) -> None:
        """Save the session and set the required headers."""
        await self._current(request).save_session(request, response, session)

    def _current(self, request: web.Request) -> RequestSession:
        current = request.get(_CURRENT)
        if current is None:
            request[_CURRENT] = current = RequestSession(self._options, request)
        return current
