"""Origins of URLs, as a Content-Security-Policy and people read them."""

import re

from yarl import URL

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")


def origin_of(url: str) -> str | None:
    """Scheme, host and port of a URL; None for one that could say something else in a policy."""
    try:
        origin = str(URL(url).origin())
    except ValueError:
        return None
    return origin if _ORIGIN.fullmatch(origin) else None


def host_of(url: str) -> str:
    """Host and port of a URL, as people read it."""
    return (origin_of(url) or url).rpartition("://")[2]
