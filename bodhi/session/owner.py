"""Whose session it is: ``session["user_id"]``, as the indexed column holds it."""

from collections.abc import Mapping
from typing import Any

from bodhi.session.codec import json_text
from bodhi.session.errors import SessionDataError

LONGEST_USER_ID_BYTES = 1_024  # PostgreSQL indexes no more than 2,700


def owner_of(data: Mapping[str, Any]) -> str | None:
    """The ``user_id`` column for *data*, or None where it names no user.

    Raises :exc:`SessionDataError` for what PostgreSQL cannot hold or index, on SQLite as well.
    """
    user_id = data.get("user_id")
    if user_id is None:
        return None
    text = user_text(user_id)
    if len(text) > LONGEST_USER_ID_BYTES // 4 and len(text.encode()) > LONGEST_USER_ID_BYTES:
        raise SessionDataError(f"the session's user_id is longer than {LONGEST_USER_ID_BYTES} bytes")
    return text


def user_text(user_id: object) -> str:
    """*user_id* as the column holds it: a text as it is, and anything else as JSON (7 is "7").

    Raises :exc:`SessionDataError` for a text that PostgreSQL cannot hold.
    """
    text = user_id if isinstance(user_id, str) else json_text(user_id)
    if "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise SessionDataError("the session's user_id holds a NUL or half a surrogate pair: no database can hold that")
    return text
