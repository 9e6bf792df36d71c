"""A small shop: python examples/cart/app.py

It runs as it is, beside a bodhi server: on http://localhost:8081, with the SQLite file cart.sqlite and a cookie of its
own, unless the environment says otherwise. All other settings, and the key, come from where `python -m bodhi serve` has
them. Several of it, on several machines, serve one shop with BODHI_DEPLOYMENT=cluster and PostgreSQL.
"""

import logging
import os
import sys
from collections.abc import AsyncIterator
from weakref import WeakSet

from aiohttp import web

import shop
from bodhi.errors import BodhiError
from bodhi.server.app import session_service
from bodhi.session import DefaultSessionService, setup
from bodhi.settings import BODHI_PORT, BODHI_SESSION_COOKIE_NAME, BODHI_SESSION_DB_URL, load_settings

# Browsers send a cookie to every port of a host: by the server's name the shop and the server would end each other's.
OWN = {BODHI_SESSION_DB_URL: "sqlite:cart.sqlite", BODHI_SESSION_COOKIE_NAME: "cart_session_id", BODHI_PORT: "8081"}


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
        settings = load_settings(environ={**OWN, **os.environ})
        web.run_app(make_app(session_service(settings)), host=settings.host, port=settings.port)
    except BodhiError as error:
        sys.exit(f"cart: {error}")
