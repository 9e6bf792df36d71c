"""``bodhi.session.setup``: sessions for an aiohttp application, saved for every kind of response."""

from collections.abc import Callable
from typing import cast
from weakref import WeakKeyDictionary, ref

import aiohttp_session
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler, Middleware

from bodhi.errors import root_cause
from bodhi.logs import hide_malformed_requests
from bodhi.options import refusal, whole_max_age
from bodhi.session.aiohttp_keys import SESSION_KEY
from bodhi.session.errors import SessionError, SessionUnavailable
from bodhi.session.lifetime import SESSIONS, opened, prepares_last, refuse_setup
from bodhi.session.manager import SessionManager
from bodhi.session.nested import with_own_keys
from bodhi.session.request_session import REQUEST_SESSION, RequestSession, SetupOptions, remote_of
from bodhi.session.responses import SessionUnavailableResponse
from bodhi.session.service import DefaultSessionService
from bodhi.session.session import Session


# Keyed by the payload writer, which a request shares with its clones; each clone has its own request keys.
# Entries are removed with their writer; a WeakKeyDictionary would cost four times as much.
class Registry(dict["ref[AbstractStreamWriter]", RequestSession]):
    """The sessions of the requests that are under way."""

    def forget(self, writer: "ref[AbstractStreamWriter]") -> None:
        """Drop the session of a request that is over; what was changed too late to be saved is logged as lost."""
        current = self.pop(writer)
        if current.session is not None and current.session.is_touched:
            current.lose(
                "it was made after the response's headers were sent, and not saved"
                if current.headers_sent
                else "the request ended before it was saved"
            )


# An application and its sub-applications may be set up with one service: they share the request's session.
_REGISTRIES: WeakKeyDictionary[DefaultSessionService, Registry] = WeakKeyDictionary()


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
    opened then and closed with *app*, after its ``on_cleanup`` handlers; an open one must be closed by its opener. With
    *max_age* (seconds) cookies have Max-Age, and a session ends that long after its last save. *client_of* returns the
    address shown in session lists; behind a proxy it is not the peer's. Raises :exc:`ConfigurationError` where *app*
    was set up before, has started, or is part of another application.
    """
    if not isinstance(service, DefaultSessionService):
        raise refusal("service", service, "a DefaultSessionService")
    if not callable(client_of):
        raise refusal("client_of", client_of, "a function of a request")
    max_age = whole_max_age("max_age", max_age)
    refuse_setup(app, service)
    hide_malformed_requests()  # or cookies would be logged
    app[SESSIONS] = service
    app.cleanup_ctx.append(opened)
    registry = _REGISTRIES.setdefault(service, Registry())
    options = SetupOptions(service, supports_save=True, max_age=max_age, client_of=client_of)
    app.middlewares.append(session_middleware(options, registry))

    async def before_headers(request: web.Request, response: web.StreamResponse) -> None:
        current = registry.get(ref(request.writer))
        if current is None or current.headers_sent:  # or an outer application has handled it
            return
        # Here too, because a middleware may have replaced the handler's response.
        if current.is_used:
            session = current.session
            if session is not None and session.is_touched:
                await _commit_before_headers(current, session, response)
            current.set_headers(response)
        current.headers_sent = True

    app.on_response_prepare.append(before_headers)
    app.cleanup_ctx.append(prepares_last(before_headers))


async def get_session(request: web.Request) -> Session:
    """Return the request's session, like ``aiohttp_session.get_session`` under :func:`setup`, but typed and faster."""
    current = request.get(REQUEST_SESSION)
    if type(current) is RequestSession:
        session = current.session
        if session is None:
            session = request[SESSION_KEY] = await current.load_session(request)  # where others look for it
        return session
    return cast("Session", await aiohttp_session.get_session(request))


async def new_session(request: web.Request) -> Session:
    """Replace the request's session by a new one: a typed ``aiohttp_session.new_session``."""
    return cast("Session", await aiohttp_session.new_session(request))


def session_middleware(options: SetupOptions, registry: Registry) -> Middleware:
    """Return the middleware that :func:`setup` installs; *registry* holds the session of each request."""
    forget = registry.forget

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if len(request) and REQUEST_SESSION in request:  # of another setup, around this one
            is_shared = ref(request.writer) in registry
            return await (
                handler(request) if is_shared else with_own_keys(middleware, request, handler, options.manager)
            )
        request[REQUEST_SESSION] = current = RequestSession(options, request)
        registry[ref(request.writer, forget)] = current
        raised: web.HTTPException | None = None
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = raised = error
        except BaseException as error:
            _give_up(current, error, options.manager)
            raise
        current.is_finished = True
        session = current.session
        if session is not None and session.is_touched:
            await _commit_after_handler(current, session, response)
        # Now, for the outer middlewares; otherwise it could wait until the headers are sent.
        if current.new_cookies and not current.headers_sent and isinstance(response, web.StreamResponse):
            current.set_cookies(response)
        if raised is not None:
            raise raised
        return response

    return middleware


def _give_up(current: RequestSession, error: BaseException, manager: SessionManager) -> None:
    """Drop the changes of a handler that failed; raise the response to an outage."""
    current.lose(f"the handler failed with {type(error).__name__}")
    # From a call of the service: what the session itself raises is a response already.
    if isinstance(error, SessionUnavailable) and not current.headers_sent:
        manager.note_unavailable(error)
        raise SessionUnavailableResponse from error


async def _commit_after_handler(current: RequestSession, session: Session, response: web.StreamResponse) -> None:
    """Save the handler's changes while an error can still replace *response*."""
    status = getattr(response, "status", 500)  # anything but a response becomes a 500
    if status >= 500:
        current.lose(f"the response is {status}")
        return
    try:
        await current.commit(session)
    except Exception as error:
        current.lose(root_cause(error.__cause__ or error))  # whatever replaces the response, do not retry the save
        if not response.prepared or not isinstance(error, SessionError):
            raise


async def _commit_before_headers(current: RequestSession, session: Session, response: web.StreamResponse) -> None:
    """Save changes by a stream's handler or an outer middleware before the headers are sent."""
    if response.status >= 500:
        current.lose(f"the response is {response.status}")
        return
    try:
        await current.commit(session)
    except SessionError as error:
        # A stream's handler can still respond with the error. After the handler, aiohttp has prepared the response
        # already: close the connection without a response, rather than with a false success.
        if current.is_finished:
            current.lose(root_cause(error.__cause__ or error))
        raise
