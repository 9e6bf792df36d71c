"""JSON responses, and where the response to a form leads, with and without htmx."""

from typing import Any

import msgspec
from aiohttp import hdrs, web

_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_response(value: Any, status: int = 200, **headers: str) -> web.Response:
    """*value* (structs, dicts, UTC datetimes as ``…Z``) as a JSON response."""
    return web.Response(body=_encode(value), status=status, content_type="application/json", headers=headers)


def empty_response(status: int = 200) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status)


def is_partial(request: web.Request) -> bool:
    """Whether htmx asks, which puts a part of a page in its place."""
    return request.headers.get("HX-Request") == "true"


def see_other(request: web.Request, location: str, **headers: str) -> web.Response:
    """Sends the browser on to *location*.

    htmx is told by a header of its own: it would fetch the target of a 303 itself, which another site forbids. Followed
    like a link, the way may also lead through more sites than the page's Content-Security-Policy names for its forms.
    """
    sent = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Cookie", **headers}
    if is_partial(request):
        return web.Response(headers={**sent, "HX-Redirect": location})
    return web.Response(status=303, headers={**sent, hdrs.LOCATION: location})
