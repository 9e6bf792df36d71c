"""Answers as JSON."""

from typing import Any

import msgspec
from aiohttp import web

_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_response(value: Any, status: int = 200, **headers: str) -> web.Response:
    """*value* (structs, dicts, UTC datetimes as ``…Z``) as a JSON response."""
    return web.Response(body=_encode(value), status=status, content_type="application/json", headers=headers)


def empty_response(status: int = 200) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status)
