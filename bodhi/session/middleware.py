"""``bodhi.session.setup``: sessions for an aiohttp application, kept whatever the response is."""

from collections.abc import AsyncIterator, Callable
from typing import cast
from weakref import ref

import aiohttp_session
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler, Middleware

from bodhi.logs import hide_malformed_requests
from bodhi.options import refusal, whole_max_age
from bodhi.session.errors import SessionError
from bodhi.session.request_session import REQUEST_SESSION, RequestSession, SetupOptions, remote_of
from bodhi.session.service import DefaultSessionService
from bodhi.session.session import Session

# By the writer of the response, which a request shares with its clones; each clone has request keys of its own.
# An entry goes with its writer: a WeakKeyDictionary does the same at four times the cost.
Registry = dict["ref[AbstractStreamWriter]", RequestSession]

SESSIONS = web.AppKey("SESSIONS", DefaultSessionService)


def setup(
    app: web.Application,
    service: DefaultSessionService,
    *,
    max_age: float | None = None,
    client_of: Callable[[web.Request], str | None] = remote_of,
) -> None:
    """Give every request of *app* its session from *service*, through ``aiohttp_session.get_session(request)``.

    Beyond what ``aiohttp_session.setup(app, service.storage)`` does, changes are saved before the headers of streams,
    files and websockets go out, and ``await session.save()`` works. A *service* that is not open when *app* starts is
    opened then, and closed as *app* ends; one that is open stays its opener's to close. With *max_age* (seconds)
    cookies say Max-Age, and a session ends that long after its last save. *client_of* tells the address that people see
    in the list of their devices; behind a proxy that is not who is connected.
    """
    if not isinstance(service, DefaultSessionService):
        raise refusal("service", service, "a DefaultSessionService")
    if not callable(client_of):
        raise refusal("client_of", client_of, "a function of a request")
    max_age = whole_max_age("max_age", max_age)
    hide_malformed_requests()  # or cookies would get into the log
    app[SESSIONS] = service
    app.cleanup_ctx.append(_opened)
    registry: Registry = {}
    options = SetupOptions(service, supports_save=True, max_age=max_age, client_of=client_of)
    app.middlewares.append(session_middleware(options, registry))

    async def before_headers(request: web.Request, response: web.StreamResponse) -> None:
        current = registry.get(ref(request.writer))
        if current is None:
            return
        # Here too, since a middleware may have put another response in the place of the handler's.
        if current.is_used:
            session = current.session
            if session is not None and session.is_touched:
                await _commit_before_headers(current, session, response)
            current.set_headers(response)
        current.headers_sent = True

    app.on_response_prepare.append(before_headers)


async def get_session(request: web.Request) -> Session:
    """The visitor's session: what ``aiohttp_session.get_session`` gives under :func:`setup`, typed, and sooner."""
    current = request.get(REQUEST_SESSION)
    if type(current) is RequestSession:
        return await current.load_session(request)
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


def session_middleware(options: SetupOptions, registry: Registry) -> Middleware:
    """The middleware that :func:`setup` installs; the session of each request is found in *registry*."""
    forget = registry.pop

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[REQUEST_SESSION] = current = RequestSession(options, request)
        registry[ref(request.writer, forget)] = current
        raised: web.HTTPException | None = None
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = raised = error
        except BaseException as error:
            current.lose(f"the handler failed with {type(error).__name__}")
            raise
        current.is_finished = True
        session = current.session
        if session is not None and session.is_touched:
            await _commit_after_handler(current, session, response)
        # For the middlewares around this one: otherwise it would be early enough as the headers go out.
        if current.new_cookies and not current.headers_sent and isinstance(response, web.StreamResponse):
            current.set_cookies(response)
        if raised is not None:
            raise raised
        return response

    return middleware


async def _commit_after_handler(current: RequestSession, session: Session, response: web.StreamResponse) -> None:
    """Save what the handler changed, while an error can still take the place of *response*."""
    status = getattr(response, "status", 500)  # what is no response at all becomes one of 500
    if status >= 500:
        current.lose(f"the response is {status}")
        return
    try:
        await current.commit(session)
    except Exception as error:
        current.lose(str(error))  # whatever is shown instead, it is not tried again behind it
        if not response.prepared or not isinstance(error, SessionError):
            raise


async def _commit_before_headers(current: RequestSession, session: Session, response: web.StreamResponse) -> None:
    """Save what a stream's handler changed, or a middleware around :func:`setup`'s."""
    if response.status >= 500:
        current.lose(f"the response is {response.status}")
        return
    try:
        await current.commit(session)
    except SessionError as error:
        # The handler of a stream can still answer with the error. After the handler aiohttp has laid out the response
        # already: the connection ends without one, rather than with a success that is none.
        if current.is_finished:
            current.lose(str(error))
        raise
