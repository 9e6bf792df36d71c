"""Default headers of every response.

Source: OWASP ASVS 5.0, section 3.4; OWASP HTTP Security Response Headers Cheat Sheet.
"""

from collections.abc import Callable, Mapping

from aiohttp import hdrs, web
from multidict import istr

from bodhi.server.http.request_id import HEADER, current_id

HSTS_SECONDS = 31_536_000  # a year

STRICTEST_CSP = "default-src 'none'; frame-ancestors 'none'"

DEFAULTS: Mapping[str, str] = {
    # For responses that are not pages; those set their own policy.
    "Content-Security-Policy": STRICTEST_CSP,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: it makes browsers send `Origin: null` with forms, also to the site itself.
    "Referrer-Policy": "same-origin",
    # Windows of other origins get no reference to pages, and other origins cannot embed responses.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    hdrs.CACHE_CONTROL: "no-store",
}

# For pages in a popup opened by an application of another origin. With the policy above, the application would see the
# popup as closed, and take that for a user who has canceled.
KEEPS_OPENER: Mapping[str, str] = {"Cross-Origin-Opener-Policy": "unsafe-none"}

Completion = Callable[[web.Request, web.StreamResponse], None]

# What else completes the headers of each response, before they are sent: one receiver of aiohttp's signal for all of
# them, as each costs more than what it does.
COMPLETIONS: web.AppKey[list[Completion]] = web.AppKey("COMPLETIONS", list)

DEFAULT_HEADERS: web.AppKey[Mapping[str, str]] = web.AppKey("DEFAULT_HEADERS")


def setup(app: web.Application, *, is_https: bool) -> None:
    """Add the headers to every response of *app*; *is_https* refers to the public URL."""
    hsts = {"Strict-Transport-Security": f"max-age={HSTS_SECONDS}; includeSubDomains"} if is_https else {}
    # istr caches its lower case; for a str it would be computed for each response.
    defaults: Mapping[str, str] = {istr(name): value for name, value in {**DEFAULTS, **hsts}.items()}
    app[DEFAULT_HEADERS] = defaults

    completions = app[COMPLETIONS] = []

    async def before_headers(request: web.Request, response: web.StreamResponse) -> None:
        complete(response, defaults)
        for completion in completions:
            completion(request, response)

    app.on_response_prepare.append(before_headers)


def complete(response: web.StreamResponse, defaults: Mapping[str, str]) -> None:
    """Add the request id and missing default headers to *response*, and remove versions from ``Server``."""
    headers = response.headers
    for name, value in defaults.items():
        headers.setdefault(name, value)
    headers[hdrs.SERVER] = "bodhi"
    headers[HEADER] = current_id()
