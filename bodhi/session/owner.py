"""Whose session it is: ``session["user_id"]``, as the indexed column holds it."""

from collections.abc import Mapping
from typing import Any

from bodhi.session.codec import json_text
from bodhi.session.errors import SessionDataError

LONGEST_USER_ID_BYTES = 1_024


def owner_of(data: Mapping[str, Any]) -> str | None:
    """The ``user_id`` column for *data*, or None where it names no user; raises as :func:`user_text`."""
    user_id = data.get("user_id")
    return None if user_id is None else user_text(user_id)


def user_text(user_id: object) -> str:
    """*user_id* as the column holds it: a text as it is, and anything else as JSON (7 is "7").

    Raises :exc:`SessionDataError` for a text that PostgreSQL cannot hold or index, on SQLite as well.
    """
    text = user_id if isinstance(user_id, str) else json_text(user_id)
    if len(text.encode("utf-8", "replace")) > LONGEST_USER_ID_BYTES:
        raise SessionDataError(f"a user_id of more than {LONGEST_USER_ID_BYTES} bytes: no database can index that")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise SessionDataError("a user_id with a NUL or half a surrogate pair in it: no database can index that")
    return text
