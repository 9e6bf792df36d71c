"""Where the answer to a form leads, with and without htmx."""

from aiohttp import hdrs, web


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
