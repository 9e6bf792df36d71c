"""Whose session it is: ``session["user_id"]``, as the indexed column holds it."""

from collections.abc import Mapping
from typing import Any

from bodhi.session.codec import json_text
from bodhi.session.errors import SessionDataError


def owner_of(data: Mapping[str, Any]) -> str | None:
    """The ``user_id`` column for *data*: a text as it is, None for none, and anything else as JSON (7 is "7").

    Raises :exc:`SessionDataError` for a text that PostgreSQL cannot hold, on SQLite as well.
    """
    user_id = data.get("user_id")
    if user_id is None:
        return None
    text = user_id if isinstance(user_id, str) else json_text(user_id)
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise SessionDataError("the session's user_id holds a NUL or half a surrogate pair: no database can index it")
    return text
