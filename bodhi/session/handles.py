"""Session ids, the digests they are stored under, and the handles they are shown by."""

import base64
import hashlib
import re
import secrets

ID_BYTES = 32
HANDLE_BYTES = 12
DIGEST_BYTES = 32

# Ids of bodhi's own; and 128 bits of an imported session, which cannot be guessed either: its last character has
# 4 zero bits, since 22 characters hold more than the 128.
_ID = re.compile(r"[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{21}[AQgw]")
_HANDLE = re.compile(r"[A-Za-z0-9_-]{16}")


def new_session_id() -> str:
    """A fresh secret for the cookie: 256 random bits, base64url, 43 characters."""
    return secrets.token_urlsafe(ID_BYTES)


def is_session_id(value: str) -> bool:
    """Whether *value* has the shape of a session id, own or imported; anything else needs no query."""
    return _ID.fullmatch(value) is not None


def digest_of(session_id: str) -> bytes:
    """The 32 bytes that *session_id* is stored under."""
    return hashlib.sha256(session_id.encode("ascii")).digest()


def parse_session_id(value: str) -> bytes | None:
    """The digest that the session with the id *value* is stored under, or None where it has no such shape."""
    return hashlib.sha256(value.encode("ascii")).digest() if _ID.fullmatch(value) else None


def share_up_to(digest: bytes) -> float:
    """What share of all sessions, from 0 to 1, comes up to *digest*, since digests are spread evenly."""
    return int.from_bytes(digest[:4]) / 0xFFFF_FFFF


def handle_of(digest: bytes) -> str:
    """The public name of a session: 16 base64url characters, useless as a cookie."""
    return base64.urlsafe_b64encode(digest[:HANDLE_BYTES]).decode("ascii")


def digests_of(handle: str) -> tuple[bytes, bytes] | None:
    """The first and the last digest that *handle* can stand for, or None where it is no handle."""
    if _HANDLE.fullmatch(handle) is None:
        return None
    prefix = base64.urlsafe_b64decode(handle)
    rest = DIGEST_BYTES - HANDLE_BYTES
    return prefix + b"\x00" * rest, prefix + b"\xff" * rest
