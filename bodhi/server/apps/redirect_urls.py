"""Validate the redirect URL of an application: parse it, check it, and build it anew.

Accepts only URLs that all parsers read alike. Source: RFC 3986; OWASP Unvalidated Redirects and Forwards Cheat Sheet.
"""

import ipaddress
import re

from bodhi.server.apps.errors import InvalidRedirectUrl

MAX_LENGTH = 2_048

_DEFAULT_PORTS = {"http": 80, "https": 443}
# No fragment and no user-info; unescaped ASCII that RFC 3986 allows, and complete percent escapes.
_CHARACTERS = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@{0}-]|%[0-9A-Fa-f]{{2}})*"
_URL = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<path>/{_CHARACTERS.format('/')})?"
    rf"(?:\?(?P<query>{_CHARACTERS.format('/?')}))?"
)
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# Browsers treat a host that ends in a number as an IPv4 address, in any notation.
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?!(?:[0-9]+|0[Xx][0-9A-Fa-f]*)\.?$){_LABEL}\.?")


def redirect_url_with_id(text: str, request_id: str) -> str:
    """Return *text* normalized, with ``id=`` *request_id* appended to its query.

    Raises ``app_access_request_error-invalid_redirect_url`` unless it is an absolute http or https URL without
    user-info, fragment, backslash, control characters or non-ASCII characters, of at most 2,048 characters.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidRedirectUrl(f"The redirect URL is longer than {MAX_LENGTH} characters.")
    match = _URL.fullmatch(text)
    if match is None:
        raise InvalidRedirectUrl
    scheme = match["scheme"].lower()
    origin = f"{scheme}://{_host(match['host'])}{_port(match['port'], scheme)}"
    query = f"{match['query']}&" if match["query"] else ""
    return f"{origin}{match['path'] or '/'}?{query}id={request_id}"


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        if not _NAME.fullmatch(text):
            return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise InvalidRedirectUrl from None
    return text.lower()


def _port(text: str | None, scheme: str) -> str:
    if text is None:
        return ""
    if not 1 <= int(text) <= 65_535:
        raise InvalidRedirectUrl
    return "" if int(text) == _DEFAULT_PORTS[scheme] else f":{int(text)}"
