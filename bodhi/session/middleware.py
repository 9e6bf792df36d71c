"""``bodhi.session.setup``: sessions for an aiohttp application, kept whatever the response is."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bodhi.session import aiohttp_keys
from bodhi.session.service import DefaultSessionService
from bodhi.session.visit import VISIT, Visit

SESSIONS = web.AppKey("SESSIONS", DefaultSessionService)


def setup(app: web.Application, service: DefaultSessionService) -> None:
    """Give every request of *app* its session from *service*, through ``aiohttp_session.get_session(request)``.

    Beyond what ``aiohttp_session.setup(app, service.storage)`` does, changes are saved before the headers of streams,
    files and websockets go out, and ``await session.save()`` works. *service* may be opened and closed by the
    application (``app.cleanup_ctx``) or around it; it has to be open while requests are served.
    """
    app[SESSIONS] = service
    app.middlewares.append(session_middleware(service))
    app.on_response_prepare.append(_before_headers)


def session_middleware(service: DefaultSessionService) -> Middleware:
    """The middleware that :func:`setup` installs."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        visit = Visit(service, request)
        request[VISIT] = visit
        request[aiohttp_keys.STORAGE] = visit
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            await visit.finish(answer)
            raise
        except BaseException as error:
            visit.lose(f"the handler failed with {type(error).__name__}")
            raise
        await visit.finish(response)
        return response

    return middleware


async def _before_headers(request: web.Request, response: web.StreamResponse) -> None:
    visit = request.get(VISIT)
    if visit is not None:
        await visit.before_headers(response)
