"""Validation of ``return_to``, the page that a login redirects to.

The value is untrusted and ends up in a ``Location`` header. A path is accepted with its query and fragment, without
control characters and anything that a browser or a proxy could read as another host or path. Characters beyond ASCII
are percent-encoded, as browsers do. Other values are refused, never repaired.
Source: OWASP ASVS 5.0, 3.7.2; RFC 9700, section 4.11; RFC 3987, 3.1.
"""

import re
import string
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote, unquote

from aiohttp import web

from bodhi.server.access.recent_login import RECENT_LOGIN

RETURN_TO, RECENT = "return_to", "recent"  # in the query
LONGEST = 2_000  # characters

# Everything except spaces, control characters, and \, which browsers treat as /. A byte that is not UTF-8 arrives as a
# surrogate.
_FORM = re.compile(r"/[!-\[\]-~\u00a0-\ud7ff\udc80-\udcff\ue000-\U0010ffff]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SAFE = "/:?@!$'()*,;=~"  # characters that need no encoding in a query value


def page_to_return_to(values: Sequence[str]) -> str | None:
    """Return the page in *values*, in ASCII, if it is the only value and safe to redirect to, or None.

    API routes and the login's own steps are not accepted.
    """
    if len(values) != 1 or not _FORM.fullmatch(values[0]):
        return None
    page = quote(values[0], safe=string.punctuation, errors="surrogateescape")
    # Decode once, as proxies do before they match a location.
    decoded = unquote(re.split("[?#]", page, maxsplit=1)[0]).casefold()
    if len(page) > LONGEST or decoded.startswith("//") or "\\" in decoded or _CONTROL.search(decoded):
        return None
    segments = decoded.split("/")[1:]
    return page if {".", ".."}.isdisjoint(segments) and not _is_own(segments) else None


def requested_page(request: web.Request) -> str | None:
    """Return the valid ``return_to`` in the query of *request*, or None."""
    return page_to_return_to(request.query.getall(RETURN_TO, ()))


def is_recent_requested(request: web.Request) -> bool:
    """Whether the query of *request* requires a recent sign-in, even if the user is logged in."""
    return request.app[RECENT_LOGIN].is_required and request.query.get(RECENT, "").lower() in {"true", "1"}


def with_return(
    url: str, page: str | None, *, is_recent: bool = False, further: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return *url*, which has no query yet, with ``return_to`` for *page*, if any, and *further* parameters.

    With *is_recent* it requires a recent sign-in.
    """
    query = [f"{RECENT}=true"] if is_recent else []
    query += [] if page is None else [f"{RETURN_TO}={quote(page, safe=_SAFE)}"]
    query += [f"{name}={quote(value, safe=_SAFE)}" for name, value in further.items()]
    return f"{url}?{'&'.join(query)}" if query else url


def _is_own(segments: Sequence[str]) -> bool:
    return segments[0] == "bodhi" or (segments[0] == "ui" and segments[1:2] in (["login"], ["logout"], ["auth"]))
