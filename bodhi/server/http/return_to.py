"""Where a login leads to: the page of this site that was asked for, or home.

What is given comes from outside and ends in a ``Location``. It has to be a path with its query, in ASCII and without
anything that a browser or a proxy could read as another host or another path. What is not is refused, never repaired.
Source: OWASP ASVS 5.0, 3.7.2; RFC 9700, section 4.11.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from aiohttp import web

from bodhi.server.access.recent_login import RECENT_LOGIN

RETURN_TO, RECENT = "return_to", "recent"  # in the query
LONGEST = 2_000  # characters

# Printable ASCII but for # and \, which browsers take for /.
_FORM = re.compile(r"/[!-\"$-\[\]-~]*")
_AS_IT_IS = "/:?@!$'()*,;=~"  # whatever stands for itself in the value of a query


def page_to_return_to(given: Sequence[str]) -> str | None:
    """The page that the one value *given* names; None for any other number of values, or what may lead elsewhere.

    bodhi's API is no page, and its logins lead to none of their own steps.
    """
    if len(given) != 1 or len(given[0]) > LONGEST or not _FORM.fullmatch(given[0]):
        return None
    path, mark, query = given[0].partition("?")
    # As proxies decode it before they choose a location, once.
    decoded = unquote(path).casefold()
    if decoded.startswith("//") or "\\" in decoded or not decoded.isprintable():
        return None
    segments = decoded.split("/")[1:]
    if not {".", ".."}.isdisjoint(segments) or _is_own(segments):
        return None
    return path + mark + query


def requested_page(request: web.Request) -> str | None:
    """The page that the query of *request* names for after the login."""
    return page_to_return_to(request.query.getall(RETURN_TO, ()))


def is_recent_requested(request: web.Request) -> bool:
    """Whether the query of *request* asks for a sign-in that is recent, also where somebody is logged in."""
    return request.app[RECENT_LOGIN].is_required and request.query.get(RECENT, "").lower() in {"true", "1"}


def with_return(url: str, page: str | None, *, is_recent: bool = False) -> str:
    """*url*, which has no query yet, with the *page* to which a login leads, where there is one.

    With *is_recent* it asks for a sign-in that is recent.
    """
    query = [f"{RECENT}=true"] if is_recent else []
    query += [] if page is None else [f"{RETURN_TO}={quote(page, safe=_AS_IT_IS)}"]
    return f"{url}?{'&'.join(query)}" if query else url


def _is_own(segments: Sequence[str]) -> bool:
    return segments[0] == "bodhi" or (segments[0] == "ui" and segments[1:2] in (["login"], ["logout"], ["auth"]))
