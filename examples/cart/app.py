"""A small shop: python examples/cart/app.py

It takes bodhi's settings from where `python -m bodhi serve` has them, and runs as it is: SQLite and a key of its own
in ~/.bodhi. Several of it, on several machines, serve one shop with BODHI_DEPLOYMENT=cluster and PostgreSQL.
"""

import logging
import os
import sys
from collections.abc import AsyncIterator
from weakref import WeakSet

import shop
from aiohttp import web

from bodhi.errors import BodhiError
from bodhi.session import CookiePolicy, DefaultSessionService, setup
from bodhi.settings import Settings, load_settings


def service_of(settings: Settings) -> DefaultSessionService:
    """The sessions, not opened yet."""
    return DefaultSessionService.from_url(
        settings.session_db_url,
        keys=settings.encryption_keys,
        idle_seconds=settings.idle_seconds,
        lifetime_seconds=settings.lifetime_seconds,
        pool_size=settings.db_pool_size,
        limit_seconds=settings.db_timeout_seconds,
        statement_cache_size=settings.pg_statement_cache_size,
        cookie=CookiePolicy(name="cart", secure=settings.public_scheme == "https", samesite=settings.cookie_samesite),
    )


def make_app(service: DefaultSessionService) -> web.Application:
    """The shop, with sessions that *service* keeps."""

    async def sessions(_: web.Application) -> AsyncIterator[None]:
        async with service:
            yield

    app = web.Application()
    app[shop.PACKING_SECONDS] = float(os.environ.get("CART_PACKING_SECONDS", "0.5"))
    app[shop.SOCKETS] = WeakSet()
    app.add_routes(shop.routes)
    app.cleanup_ctx.append(sessions)
    app.on_shutdown.append(shop.close_sockets)
    setup(app, service)
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    try:
        settings = load_settings()
        web.run_app(make_app(service_of(settings)), host=settings.host, port=settings.port)
    except BodhiError as error:
        sys.exit(f"cart: {error}")
