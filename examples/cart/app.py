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

from bodhi.app import session_service
from bodhi.errors import BodhiError
from bodhi.session import DefaultSessionService, setup
from bodhi.settings import load_settings


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
        web.run_app(make_app(session_service(settings)), host=settings.host, port=settings.port)
    except BodhiError as error:
        sys.exit(f"cart: {error}")
