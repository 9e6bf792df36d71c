"""Other sites to which the answer to a form leads, as the pages' Content-Security-Policy names them."""

import asyncio

from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError
from bodhi.server.http.public_url import origin_of

PATIENCE_SECONDS = 0.5  # a page does not wait longer for a provider that is slow to say where its own pages are


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
