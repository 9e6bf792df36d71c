"""Where an application wants people sent back to: a URL is taken apart, checked, and put together anew.

Only what every parser reads alike is taken. Source: RFC 3986; OWASP Unvalidated Redirects and Forwards Cheat Sheet.
"""

import ipaddress
import re

from bodhi.server.apps.errors import InvalidRedirectUrl

LONGEST = 2_048

_DEFAULT_PORTS = {"http": 80, "https": 443}
# No fragment and no user; of ASCII what may stand for itself, and complete percent escapes.
_PART = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@{0}-]|%[0-9A-Fa-f]{{2}})*"
_FORM = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<path>/{_PART.format('/')})?"
    rf"(?:\?(?P<query>{_PART.format('/?')}))?"
)
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# What ends in a number is an IPv4 address to a browser, however it is written.
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?!(?:[0-9]+|0[Xx][0-9A-Fa-f]*)\.?$){_LABEL}\.?")


def redirect_url_with_id(text: str, request_id: str) -> str:
    """*text* made anew, with ``id=`` *request_id* at the end of its query.

    ``app_access_request_error-invalid_redirect_url`` unless it is an absolute http or https URL without user-info,
    fragment, backslash, control characters and anything beyond ASCII, of at most 2,048 characters.
    """
    if len(text) > LONGEST:
        raise InvalidRedirectUrl(f"The redirect URL is longer than {LONGEST} characters.")
    found = _FORM.fullmatch(text)
    if found is None:
        raise InvalidRedirectUrl
    scheme = found["scheme"].lower()
    origin = f"{scheme}://{_host(found['host'])}{_port(found['port'], scheme)}"
    query = f"{found['query']}&" if found["query"] else ""
    return f"{origin}{found['path'] or '/'}?{query}id={request_id}"


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
