"""Who a caller is, in headers for an application behind the proxy."""

import re
from functools import lru_cache

from multidict import CIMultiDict, istr

from bodhi.server.access.identity import UNKNOWN, Identity
from bodhi.server.access.principal import AuthContext, ExternalApp, SessionUser

# istr caches its lower case, by which headers are found.
USER_ID, USERNAME, ROLE = istr("X-BodhiApp-User-Id"), istr("X-BodhiApp-Username"), istr("X-BodhiApp-Role")
EMAIL, GROUPS = istr("X-BodhiApp-Email"), istr("X-BodhiApp-Groups")

_NAMED = SessionUser | ExternalApp  # here, because making a union takes longer than to use it

_OUTER_SPACES = re.compile(r"\A +| +\Z")
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and what UTF-8 cannot encode


def identity_headers(context: AuthContext, claim_headers: tuple[str, ...]) -> CIMultiDict[str]:
    """Return all headers, empty where nothing is known: a proxy that sets them lets no client's own header through."""
    identity = context.identity if isinstance(context, SessionUser) else UNKNOWN
    headers = _headers_of(identity, claim_headers).copy()
    headers[USER_ID] = _header_value(context.user_id or "")
    headers[USERNAME] = _header_value(context.username if isinstance(context, _NAMED) else "")
    headers[ROLE] = str(context.role)
    return headers


@lru_cache(maxsize=1024)  # an identity is the same object until its session changes
def _headers_of(identity: Identity, claim_headers: tuple[str, ...]) -> CIMultiDict[str]:
    """Return all headers, with those of the identity filled in. Do not modify the result."""
    return CIMultiDict(
        {
            USER_ID: "",
            USERNAME: "",
            ROLE: "",
            EMAIL: _header_value(identity.email or ""),
            GROUPS: _header_value(identity.groups_text),
            **{header: _header_value(identity.claims.get(header, "")) for header in claim_headers},
        }
    )


def _header_value(text: str) -> str:
    """Return *text* for a header, with U+FFFD for each control character and each space that would be stripped."""
    if text.isprintable() and text[:1] != " " != text[-1:]:
        return text  # nearly always, and checked for each request
    return _OUTER_SPACES.sub(lambda spaces: "\ufffd" * len(spaces[0]), _UNSENDABLE.sub("\ufffd", text))
