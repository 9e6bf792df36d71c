"""JSON from outside."""

from typing import Any

import msgspec


def json_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in *data*, or None for anything else, HTML and nothing included."""
    try:
        found = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
