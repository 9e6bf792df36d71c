"""The user of a session: ``session["user_id"]`` as stored in the indexed column."""

from collections.abc import Mapping
from typing import Any

from bodhi.session.codec import json_text
from bodhi.session.errors import SessionDataError

LONGEST_USER_ID_BYTES = 1_024  # PostgreSQL can index at most 2,700


def owner_of(data: Mapping[str, Any]) -> str | None:
    """Return the ``user_id`` column for *data*, or None without a user.

    Raises :exc:`SessionDataError` for values that PostgreSQL cannot store or index, on SQLite too.
    """
    user_id = data.get("user_id")
    if user_id is None:
        return None
    text = user_text(user_id)
    if len(text) > LONGEST_USER_ID_BYTES // 4 and len(text.encode()) > LONGEST_USER_ID_BYTES:
        raise SessionDataError(f"the session's user_id is longer than {LONGEST_USER_ID_BYTES} bytes")
    return text


def is_another(user_id: str | None, other: str | None) -> bool:
    """Return whether these are two different users; None is no user."""
    return user_id is not None and other is not None and user_id != other


def user_text(user_id: object) -> str:
    """Return *user_id* as stored: strings unchanged, other values as JSON (7 becomes "7").

    Raises :exc:`SessionDataError` for a string that PostgreSQL cannot store.
    """
    text = user_id if isinstance(user_id, str) else json_text(user_id)
    if "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise SessionDataError("the session's user_id holds a NUL or half a surrogate pair: no database can hold that")
    return text
