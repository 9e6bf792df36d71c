"""Opaque cursors of session lists, which reveal nothing beyond the page itself."""

import re

from bodhi.session.handles import digests_of
from bodhi.session.store import BEGINNING

_OF_USER = re.compile(r"([0-9]{1,15})\.([A-Za-z0-9_-]{16})")


def cursor_of(handle: str, created_at: int | None) -> str:
    """Return the cursor after the session with *handle*; *created_at* (ms) in lists ordered by it."""
    return handle if created_at is None else f"{created_at}.{handle}"


def end_of_page(cursor: str | None) -> bytes:
    """Return the digest after which a page of all sessions starts; raise ValueError for an invalid cursor."""
    return b"" if cursor is None else _last_digest(cursor)


def start_of_page(cursor: str) -> bytes:
    """Return the digest before which a page of all sessions ends; raise ValueError for an invalid cursor."""
    return _digests(cursor)[0]


def end_of_user_page(cursor: str | None) -> tuple[int, bytes]:
    """Return the position after which a page of a user's sessions starts; raise ValueError for an invalid cursor."""
    if cursor is None:
        return BEGINNING
    match = _OF_USER.fullmatch(cursor)
    if match is None:
        raise ValueError("this is not where a page of a user's sessions ends")
    return int(match[1]), _last_digest(match[2])


def _last_digest(handle: str) -> bytes:
    return _digests(handle)[1]


def _digests(handle: str) -> tuple[bytes, bytes]:
    digests = digests_of(handle)
    if digests is None:
        raise ValueError("this is not where a page of sessions ends")
    return digests
