"""Origins of the provider's pages, for ``form-action`` in the Content-Security-Policy."""

import asyncio

from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError
from bodhi.server.http.public_url import origin_of

TIMEOUT_SECONDS = 0.5  # for the provider's metadata: pages must not wait longer for a slow provider


async def provider_origins(provider: IdentityProvider | None, logged_out_url: str | None = None) -> list[str]:
    """Return the origins of the provider's pages: browsers check ``form-action`` for every redirect.

    If the provider's metadata is not available, only the issuer's origin. A logout may also lead to *logged_out_url*.
    """
    if provider is None:
        return []
    urls = [provider.issuer, *([] if logged_out_url is None else [logged_out_url])]
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            urls += await provider.page_urls()
    except (ProviderError, TimeoutError):
        pass
    return list(dict.fromkeys(filter(None, map(origin_of, urls))))
