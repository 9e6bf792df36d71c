"""The session that every candidate stores, and the key that encrypts it."""

from typing import Any

SESSION_BYTES = 1024
KEY = "a key for measurements and nothing else"


def session_data(number: int) -> dict[str, Any]:
    """Return a session of 1 KB as JSON: a user, a counter, roles, a token."""
    data = {"user_id": f"user-{number:06}", "visits": 1_000_000, "roles": ["reader", "editor"], "locale": "en"}
    return {**data, "token": "".join(chr(97 + (number * 7 + at * at) % 26) for at in range(SESSION_BYTES - 105))}
