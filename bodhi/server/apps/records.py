"""App access requests as stored: what an application requested, and the outcome."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bodhi.database import Row
from bodhi.server.access.times import time_of
from bodhi.server.http.request_errors import InvalidRequest

MAX_JSON_BYTES = 16_384  # of *requested* or *approved*; the endpoint is public
MAX_JSON_DEPTH = 32

MAX_TEXT_LENGTH = 1_000  # characters of an application's name or description


@dataclass(frozen=True, slots=True)
class AppAccessRequest:
    """A request. *requested* is the JSON sent by the application, *approved* the JSON sent by the user."""

    id: str
    app_client_id: str
    app_name: str | None
    app_description: str | None
    flow_type: str
    redirect_url: str | None
    status: str  # draft, approved, denied, failed or withdrawn
    requested: str
    approved: str | None
    user_id: str | None  # who decided
    resource_scope: str | None
    access_request_scope: str | None
    claimed_until: int | None  # milliseconds since 1970
    expires_at: int  # of a draft
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row) -> "AppAccessRequest":
        """Return the request stored in a database row."""
        return cls(
            row["id"],
            row["app_client_id"],
            row["app_name"],
            row["app_description"],
            row["flow_type"],
            row["redirect_uri"],
            row["status"],
            row["requested"],
            row["approved"],
            row["user_id"],
            row["resource_scope"],
            row["access_request_scope"],
            row["claimed_until"],
            row["expires_at"],
            time_of(row["created_at"]),
            time_of(row["updated_at"]),
        )


def encode_json(value: object) -> str:
    """Return *value* as JSON text; raise ``json_rejection_error`` if it is too long or too deeply nested."""
    if _is_too_deep(value, MAX_JSON_DEPTH):
        raise InvalidRequest(message=f"The JSON is nested more than {MAX_JSON_DEPTH} levels deep.")
    text = msgspec.json.encode(value)
    if len(text) > MAX_JSON_BYTES:
        raise InvalidRequest(message=f"The JSON is longer than {MAX_JSON_BYTES} bytes.")
    return text.decode()


def _is_too_deep(value: object, levels: int) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_too_deep(member, levels - 1) for member in members)


def is_empty_request(requested: Any) -> bool:
    """Return whether *requested* needs no approval: null, or only empty lists."""
    if isinstance(requested, Mapping):
        return all(is_empty_request(value) for value in requested.values())
    return requested is None or requested == []


def storable(text: str | None) -> str | None:
    """Return *text* from the identity provider, truncated and without NUL, which PostgreSQL cannot store."""
    return text[:MAX_TEXT_LENGTH].replace("\0", "") if text else None


def source_of(address: str | None) -> str:
    """Return the key that limits requests from *address*: the IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return ""  # a UNIX socket
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed), 64), strict=False))


def network_of(source: str) -> str:
    """Return the IPv4 /24 or IPv6 /48 that *source* is in; *source* itself if it is no address.

    Providers assign networks up to these sizes to one customer, who controls every address in it.
    """
    try:
        network = ipaddress.ip_network(source)
    except ValueError:
        return source  # a UNIX socket
    return str(network.supernet(new_prefix=24 if network.version == 4 else 48))
