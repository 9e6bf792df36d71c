"""Headers that every answer has.

Source: OWASP ASVS 5.0, section 3.4; OWASP HTTP Security Response Headers Cheat Sheet.
"""

from collections.abc import Mapping

from aiohttp import hdrs, web
from multidict import istr

from bodhi.server.http.request_id import HEADER, current_id

HSTS_SECONDS = 31_536_000  # a year

STRICTEST_CSP = "default-src 'none'; frame-ancestors 'none'"

DEFAULTS: Mapping[str, str] = {
    # What is served is data, until a handler says otherwise.
    "Content-Security-Policy": STRICTEST_CSP,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: it makes browsers send `Origin: null` with forms, also to the site itself.
    "Referrer-Policy": "same-origin",
    # Windows and pages of other origins get no handle on what is served, and cannot load it into their process.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.CACHE_CONTROL: "no-store",
}

# Of the pages in a window that an application of another origin has opened: with the policy above its handle on the
# window would say "closed" at once, and applications take that for a person who has given up.
KEEPS_OPENER: Mapping[str, str] = {"Cross-Origin-Opener-Policy": "unsafe-none"}

DEFAULT_HEADERS: web.AppKey[Mapping[str, str]] = web.AppKey("DEFAULT_HEADERS")


def setup(app: web.Application, *, is_https: bool) -> None:
    """Give every answer of *app* the headers; *is_https* speaks of the URL that browsers see."""
    hsts = {"Strict-Transport-Security": f"max-age={HSTS_SECONDS}; includeSubDomains"} if is_https else {}
    # Names that know their lower case: for others it is looked for in each response.
    defaults: Mapping[str, str] = {istr(name): value for name, value in {**DEFAULTS, **hsts}.items()}
    app[DEFAULT_HEADERS] = defaults

    async def before_headers(_: web.Request, response: web.StreamResponse) -> None:
        complete(response, defaults)

    app.on_response_prepare.append(before_headers)


def complete(response: web.StreamResponse, defaults: Mapping[str, str]) -> None:
    """Put in the request's id and the headers that *response* lacks, and take the versions out of ``Server``."""
    headers = response.headers
    for name, value in defaults.items():
        headers.setdefault(name, value)
    headers[hdrs.SERVER] = "bodhi"
    headers[HEADER] = current_id()
