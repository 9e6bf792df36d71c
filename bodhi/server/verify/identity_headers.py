"""Who a caller is, in headers for an application behind the proxy."""

import re

from bodhi.server.access.identity import UNKNOWN
from bodhi.server.access.principal import AuthContext, ExternalApp, SessionUser

USER_ID, USERNAME, ROLE = "X-BodhiApp-User-Id", "X-BodhiApp-Username", "X-BodhiApp-Role"
EMAIL, GROUPS = "X-BodhiApp-Email", "X-BodhiApp-Groups"

_OUTER_SPACES = re.compile(r"\A +| +\Z")
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and what UTF-8 cannot encode


def identity_headers(context: AuthContext, claim_headers: tuple[str, ...]) -> dict[str, str]:
    """Return all headers, empty where nothing is known: a proxy that sets them lets no client's own header through."""
    username = context.username if isinstance(context, SessionUser | ExternalApp) else ""
    identity = context.identity if isinstance(context, SessionUser) else UNKNOWN
    return {
        USER_ID: _header_value(context.user_id or ""),
        USERNAME: _header_value(username),
        ROLE: str(context.role),
        EMAIL: _header_value(identity.email or ""),
        GROUPS: _header_value(identity.groups_text),
        **{header: _header_value(identity.claims.get(header, "")) for header in claim_headers},
    }


def _header_value(text: str) -> str:
    """Return *text* for a header, with U+FFFD for each control character and each space that would be stripped."""
    if text.isprintable() and text[:1] != " " != text[-1:]:
        return text  # nearly always, and checked for each request
    return _OUTER_SPACES.sub(lambda spaces: "\ufffd" * len(spaces[0]), _UNSENDABLE.sub("\ufffd", text))
