"""Every URL that is served, on one page."""

from aiohttp import web

from bodhi.web import status

API = "/bodhi/v1"

ROUTES = (
    web.get("/ping", status.ping),
    web.get("/health", status.health),
    web.get(f"{API}/info", status.info),
)
