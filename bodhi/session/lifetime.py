"""Open and close the service with its application."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

from aiohttp import web

from bodhi.errors import ConfigurationError
from bodhi.session.service import DefaultSessionService

SESSIONS = web.AppKey("SESSIONS", DefaultSessionService)


def refuse_setup(app: web.Application, service: DefaultSessionService) -> None:
    """Raise :exc:`ConfigurationError` where :func:`~bodhi.session.setup` could not do what it promises."""
    if SESSIONS in app:
        raise ConfigurationError("this application has a session service: call setup() once for each application")
    if app.middlewares.frozen:
        raise ConfigurationError(
            "this application has started, or is part of another one: call setup() before that, and before add_subapp()"
        )
    if app.on_startup.frozen and not service.is_open:
        raise ConfigurationError(
            "this application is starting already, and would not open the session service any more: "
            "call setup() before, or `await service.open()` first and `await service.close()` in the end"
        )


async def opened(app: web.Application) -> AsyncIterator[None]:
    """Open the service of *app* unless it is open, and close what was opened; for ``cleanup_ctx``."""
    service = app[SESSIONS]
    if service.is_open:
        await service.open()  # which logs it where that was in a loop that has ended
        yield
        return
    async with AsyncExitStack() as closing:
        await closing.enter_async_context(service)
        # The handlers of a sub-application can no longer be changed.
        closes_last = not app.on_cleanup.frozen
        if closes_last:
            _close_after_handlers(app, service)
        yield
        if closes_last and app.on_cleanup.frozen:  # otherwise the start has failed: aiohttp calls no handlers
            closing.pop_all()


def prepares_last(
    receiver: Callable[[web.Request, web.StreamResponse], Awaitable[None]],
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a context for ``cleanup_ctx`` that calls *receiver* after all others of ``on_response_prepare``."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        signal = app.on_response_prepare
        if not signal.frozen:  # as a sub-application's is
            signal.remove(receiver)
            signal.append(receiver)
        yield

    return context


def _close_after_handlers(app: web.Application, service: DefaultSessionService) -> None:
    """Close *service* after all handlers of ``on_cleanup``, which may need it, also if one of them fails."""
    handlers = tuple(app.on_cleanup)

    async def handle_and_close(app: web.Application) -> None:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(service.close)
            for handler in handlers:
                await handler(app)

    app.on_cleanup[:] = [handle_and_close]
