"""Validation of ``return_to``, the page that a login redirects to.

The value is untrusted and ends up in a ``Location`` header. Only an ASCII path with its query is accepted, without
anything that a browser or a proxy could read as another host or path. Other values are refused, never repaired.
Source: OWASP ASVS 5.0, 3.7.2; RFC 9700, section 4.11.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from aiohttp import web

from bodhi.server.access.recent_login import RECENT_LOGIN

RETURN_TO, RECENT = "return_to", "recent"  # in the query
LONGEST = 2_000  # characters

# Printable ASCII except # and \, which browsers treat as /.
_FORM = re.compile(r"/[!-\"$-\[\]-~]*")
_SAFE = "/:?@!$'()*,;=~"  # characters that need no encoding in a query value


def page_to_return_to(values: Sequence[str]) -> str | None:
    """Return the page in *values* if it is the only value and safe to redirect to, or None.

    API routes and the login's own steps are not accepted.
    """
    if len(values) != 1 or len(values[0]) > LONGEST or not _FORM.fullmatch(values[0]):
        return None
    path, mark, query = values[0].partition("?")
    # Decode once, as proxies do before they match a location.
    decoded = unquote(path).casefold()
    if decoded.startswith("//") or "\\" in decoded or not decoded.isprintable():
        return None
    segments = decoded.split("/")[1:]
    if not {".", ".."}.isdisjoint(segments) or _is_own(segments):
        return None
    return path + mark + query


def requested_page(request: web.Request) -> str | None:
    """Return the valid ``return_to`` in the query of *request*, or None."""
    return page_to_return_to(request.query.getall(RETURN_TO, ()))


def is_recent_requested(request: web.Request) -> bool:
    """Whether the query of *request* requires a recent sign-in, even if the user is logged in."""
    return request.app[RECENT_LOGIN].is_required and request.query.get(RECENT, "").lower() in {"true", "1"}


def with_return(url: str, page: str | None, *, is_recent: bool = False) -> str:
    """Return *url*, which has no query yet, with ``return_to`` for *page*, if any.

    With *is_recent* it requires a recent sign-in.
    """
    query = [f"{RECENT}=true"] if is_recent else []
    query += [] if page is None else [f"{RETURN_TO}={quote(page, safe=_SAFE)}"]
    return f"{url}?{'&'.join(query)}" if query else url


def _is_own(segments: Sequence[str]) -> bool:
    return segments[0] == "bodhi" or (segments[0] == "ui" and segments[1:2] in (["login"], ["logout"], ["auth"]))
