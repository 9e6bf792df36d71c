"""App access requests as they are stored: what an application asked for, and what became of it."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from bodhi.database import Row
from bodhi.server.access.times import time_of
from bodhi.server.http.request_errors import InvalidRequest

LONGEST_JSON = 16_384  # bytes of what is asked for, or approved: anybody may ask
DEEPEST_JSON = 32  # lists and objects within each other

LONGEST_TEXT = 1_000  # characters of an application's name, or of its description


@dataclass(frozen=True, slots=True)
class AppAccessRequest:
    """One request; *requested* and *approved* are the JSON that the application and the person sent."""

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
        """The request in a row of the database."""
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


def as_json(value: object) -> str:
    """*value* as it is stored; ``json_rejection_error`` for more, or deeper, than is kept."""
    if _is_too_deep(value, DEEPEST_JSON):
        raise InvalidRequest(message=f"The JSON is nested more than {DEEPEST_JSON} levels deep.")
    text = msgspec.json.encode(value)
    if len(text) > LONGEST_JSON:
        raise InvalidRequest(message=f"The JSON is longer than {LONGEST_JSON} bytes.")
    return text.decode()


def _is_too_deep(value: object, levels: int) -> bool:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_too_deep(member, levels - 1) for member in members)


def asks_for_nothing(requested: Any) -> bool:
    """Whether there is nothing in *requested* that a person would have to approve: no value, or empty lists alone."""
    if isinstance(requested, Mapping):
        return all(asks_for_nothing(value) for value in requested.values())
    return requested is None or requested == []


def storable(text: str | None) -> str | None:
    """As much of what the identity provider tells of an application as can be stored."""
    return text[:LONGEST_TEXT].replace("\0", "") if text else None


def source_of(address: str | None) -> str:
    """By what requests from *address* are counted: an IPv4 address, or the network that an IPv6 address is free in."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""  # a UNIX socket
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found), 64), strict=False))


def network_of(source: str) -> str:
    """Return the IPv4 /24 or IPv6 /48 that *source* is in; *source* itself where it is no address.

    Providers assign networks up to these sizes to one customer, who has every source in it.
    """
    try:
        network = ipaddress.ip_network(source)
    except ValueError:
        return source  # a UNIX socket
    return str(network.supernet(new_prefix=24 if network.version == 4 else 48))
