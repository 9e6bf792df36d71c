"""Parsing of untrusted JSON."""

from typing import Any

import msgspec


def json_object(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *data*, or None if it is anything else."""
    try:
        found = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
