"""The outgoing proxy that the environment names."""

from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from yarl import URL

from bodhi.oidc.errors import ProviderUnavailable


def proxy_for(url: str) -> URL | None:
    """Return the proxy of ``HTTP_PROXY`` or ``HTTPS_PROXY`` for *url*, or None if there is none or by ``NO_PROXY``.

    Names in lower case come first. aiohttp's ``trust_env`` would also send passwords of ``~/.netrc``.
    """
    proxies = getproxies_environment()
    parts = urlsplit(url)
    text = proxies.get(parts.scheme)
    if not text or parts.hostname is None:
        return None
    if proxy_bypass(parts.netloc) or proxy_bypass(parts.hostname):  # with port and brackets, and without
        return None
    name = f"{parts.scheme.upper()}_PROXY"
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError as error:
        raise ProviderUnavailable(f"{name} is no URL") from error
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise ProviderUnavailable(f"{name} has to be an http:// or https:// URL of a proxy")
    return proxy
