"""``/bodhi/v1/openapi.json``: the description of the API."""

from functools import cache

import msgspec
from aiohttp import web

from bodhi.web.openapi import document
from bodhi.web.operations import PUBLIC, Operation
from bodhi.web.status import program_version


async def openapi(request: web.Request) -> web.Response:
    """The OpenAPI document; the same for everybody."""
    return web.Response(body=_document(), content_type="application/json", headers={"Cache-Control": "no-cache"})


@cache
def _document() -> bytes:
    from bodhi.web.routes import OPERATIONS  # here, for this route is among them

    return msgspec.json.encode(document(OPERATIONS, version=program_version()))


OPERATIONS = (
    Operation(
        "GET", "/bodhi/v1/openapi.json", openapi, PUBLIC, "This document", answers={200: dict}
    ),
)
