"""The identity provider, as the pages' Content-Security-Policy names it."""

from yarl import URL

from bodhi.auth.provider.client import IdentityProvider


async def provider_origins(provider: IdentityProvider | None) -> list[str]:
    """The origins that a form may lead to: a browser minds them along all redirects."""
    return [] if provider is None else [origin_of(provider.issuer)]


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that was checked before, in ASCII."""
    return str(URL(url).origin())
