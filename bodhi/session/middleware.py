"""``bodhi.session.setup``: sessions for an aiohttp application, kept whatever the response is."""

from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import cast
from weakref import WeakKeyDictionary

import aiohttp_session
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler, Middleware

from bodhi.session import aiohttp_keys
from bodhi.session.errors import SessionError
from bodhi.session.request_session import REQUEST_SESSION, RequestSession
from bodhi.session.service import DefaultSessionService
from bodhi.session.session import Session

SESSIONS = web.AppKey("SESSIONS", DefaultSessionService)

# Found by the writer of the response, which a request shares with its clones; each clone has request keys of its own.
Visits = MutableMapping[AbstractStreamWriter, RequestSession]


def remote_of(request: web.Request) -> str | None:
    """The address of who is at the other end of the connection."""
    return request.remote


def setup(
    app: web.Application,
    service: DefaultSessionService,
    *,
    max_age: int | None = None,
    client_of: Callable[[web.Request], str | None] = remote_of,
) -> None:
    """Give every request of *app* its session from *service*, through ``aiohttp_session.get_session(request)``.

    Beyond what ``aiohttp_session.setup(app, service.storage)`` does, changes are saved before the headers of streams,
    files and websockets go out, and ``await session.save()`` works. A *service* that is not open when *app* starts is
    opened then, and closed as *app* ends; one that is open stays its opener's to close. With *max_age* (seconds)
    cookies say Max-Age, and a session ends that long after its last save. *client_of* tells the address that people see
    in the list of their devices; behind a proxy that is not who is connected.
    """
    app[SESSIONS] = service
    app.cleanup_ctx.append(_opened)
    visits: Visits = WeakKeyDictionary()
    app.middlewares.append(session_middleware(service, visits, max_age=max_age, client_of=client_of))

    async def before_headers(request: web.Request, response: web.StreamResponse) -> None:
        visit = visits.get(request.writer)
        if visit is not None:
            await _before_headers(visit, response)

    app.on_response_prepare.append(before_headers)


async def get_session(request: web.Request) -> Session:
    """The visitor's session: ``aiohttp_session.get_session``, typed as what it gives under :func:`setup`."""
    return cast("Session", await aiohttp_session.get_session(request))


async def new_session(request: web.Request) -> Session:
    """A new session in place of the visitor's: ``aiohttp_session.new_session``, typed as what it gives."""
    return cast("Session", await aiohttp_session.new_session(request))


async def _opened(app: web.Application) -> AsyncIterator[None]:
    service = app[SESSIONS]
    if service.is_open:
        yield
    else:
        async with service:
            yield


def session_middleware(
    service: DefaultSessionService,
    visits: Visits,
    *,
    max_age: int | None = None,
    client_of: Callable[[web.Request], str | None] = remote_of,
) -> Middleware:
    """The middleware that :func:`setup` installs; the visit of each request is found in *visits*."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        visit = RequestSession(service, request, remote=client_of(request), max_age=max_age, supports_save=True)
        visits[request.writer] = request[REQUEST_SESSION] = visit
        request[aiohttp_keys.STORAGE] = visit
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            visit.is_finished = True
            if visit.session is not None and visit.session.is_due():
                await _finish(visit, visit.session, answer)
            raise
        except BaseException as error:
            visit.lose(f"the handler failed with {type(error).__name__}")
            raise
        visit.is_finished = True
        if visit.session is not None and visit.session.is_due():
            await _finish(visit, visit.session, response)
        return response

    return middleware


async def _finish(visit: RequestSession, session: Session, response: web.StreamResponse) -> None:
    """Keep what the handler changed, while an error can still take the place of *response*."""
    status = getattr(response, "status", 500)  # what is no response at all becomes one of 500
    if status >= 500:
        visit.lose(f"the response is {status}")
        return
    try:
        await visit.keep(session)
    except Exception as error:
        visit.lose(str(error))  # whatever is shown instead, it is not tried again behind it
        if not response.prepared or not isinstance(error, SessionError):
            raise


async def _before_headers(visit: RequestSession, response: web.StreamResponse) -> None:
    """Keep what a stream's handler changed, or a middleware around :func:`setup`'s; tell the browser, and caches.

    Only here, since a middleware may have put another response in the place of the handler's.
    """
    if visit.session is not None and visit.session.is_due():
        await _keep_before_headers(visit, visit.session, response)
    if visit.session is not None or visit.has_looked:
        visit.tell(response)
    visit.headers_are_out = True


async def _keep_before_headers(visit: RequestSession, session: Session, response: web.StreamResponse) -> None:
    if response.status >= 500:
        visit.lose(f"the response is {response.status}")
        return
    try:
        await visit.keep(session)
    except SessionError as error:
        # The handler of a stream can still answer with the error. After the handler aiohttp has laid out the response
        # already: the connection ends without one, rather than with a success that is none.
        if visit.is_finished:
            visit.lose(str(error))
        raise
