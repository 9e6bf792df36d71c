"""Headers that only this server may set are taken out of what clients send, before anything else looks at a request.

Source: OWASP ASVS 5.0, 4.1.3; CVE-2025-64484 (names with ``_`` for ``-``, which some gateways take for the same).
"""

from aiohttp import web
from multidict import CIMultiDict

PREFIX = "x-bodhiapp-"


def is_internal(name: str) -> bool:
    """Whether the header *name* is for this server alone to set."""
    return name.lower().replace("_", "-").startswith(PREFIX)


def stripped(request: web.Request) -> web.Request:
    """*request* without such headers; of the others, bytes that are no UTF-8 become question marks."""
    headers = CIMultiDict((name, _encodable(value)) for name, value in request.headers.items() if not is_internal(name))
    return request.clone(headers=headers)


def _encodable(value: str) -> str:
    # aiohttp reads such bytes as surrogates, and its clone() fails at them.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
