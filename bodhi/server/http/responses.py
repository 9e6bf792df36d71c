"""JSON responses, and redirects after form submissions, with and without htmx."""

from typing import Any

import msgspec
from aiohttp import hdrs, web

_encode = msgspec.json.Encoder(decimal_format="number").encode


def json_response(value: Any, status: int = 200, **headers: str) -> web.Response:
    """Return *value* (structs, dicts, UTC datetimes as ``…Z``) as a JSON response."""
    return web.Response(body=_encode(value), status=status, content_type="application/json", headers=headers)


def empty_response(status: int = 200) -> web.Response:
    """Return a response without a body."""
    return web.Response(status=status)


def is_partial(request: web.Request) -> bool:
    """Whether htmx sent the request, which inserts the response into the page."""
    return request.headers.get("HX-Request") == "true"


def see_other(request: web.Request, location: str, **headers: str) -> web.Response:
    """Return a redirect to *location*.

    htmx gets its own header: it would fetch the target of a 303 itself, which fails for another site. With the header
    the browser navigates, and redirects are not restricted to the ``form-action`` of the Content-Security-Policy.
    """
    sent = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: "Cookie", **headers}
    if is_partial(request):
        return web.Response(headers={**sent, "HX-Redirect": location})
    return web.Response(status=303, headers={**sent, hdrs.LOCATION: location})
