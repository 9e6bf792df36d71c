"""``/bodhi/v1/openapi.json``: the OpenAPI document."""

from collections.abc import Sequence
from functools import cached_property

import msgspec
from aiohttp import web

import bodhi
from bodhi.server.http.openapi import document
from bodhi.server.http.operations import PUBLIC, Operation


class Description:
    """The OpenAPI document of *operations*, generated on first use."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    @cached_property
    def encoded(self) -> bytes:
        """The document as JSON bytes."""
        return msgspec.json.encode(document(self._operations, version=bodhi.__version__))


DESCRIPTION = web.AppKey("DESCRIPTION", Description)


async def openapi(request: web.Request) -> web.Response:
    """Return the OpenAPI document, the same for all callers."""
    headers = {"Cache-Control": "no-cache"}
    return web.Response(body=request.app[DESCRIPTION].encoded, content_type="application/json", headers=headers)


OPERATIONS = (Operation("GET", "/bodhi/v1/openapi.json", openapi, PUBLIC, "This document", responses={200: dict}),)
