"""Other sites to which the answer to a form leads, as the pages' Content-Security-Policy names them."""

import asyncio
import re

from yarl import URL

from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError

PATIENCE_SECONDS = 0.5  # a page does not wait longer for a provider that is slow to say where its own pages are

_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")


async def provider_origins(provider: IdentityProvider | None) -> list[str]:
    """The origins of the provider's pages: browsers mind them along all redirects.

    The issuer's alone, while the provider does not tell of others.
    """
    if provider is None:
        return []
    urls = [provider.issuer]
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            urls += await provider.page_urls()
    except (ProviderError, TimeoutError):
        pass
    return list(dict.fromkeys(filter(None, map(origin_of, urls))))


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
