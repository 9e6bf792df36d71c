"""Session ids, the digests they are stored under, and their public handles."""

import base64
import hashlib
import re
import secrets

ID_BYTES = 32
HANDLE_BYTES = 12
DIGEST_BYTES = 32

# bodhi's own ids; and imported ids of 128 bits, which are unguessable too: their last character has
# 4 zero bits, since 22 characters hold more than the 128.
_ID = re.compile(r"[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{21}[AQgw]")
_HANDLE = re.compile(r"[A-Za-z0-9_-]{16}")


def new_session_id() -> str:
    """Return a new secret for the cookie: 256 random bits, 43 characters of base64url."""
    return secrets.token_urlsafe(ID_BYTES)


def is_session_id(value: str) -> bool:
    """Return whether *value* has the form of a session id, own or imported; other values need no query."""
    return _ID.fullmatch(value) is not None


def digest_of(session_id: str) -> bytes:
    """Return the 32-byte digest that *session_id* is stored under."""
    return hashlib.sha256(session_id.encode("ascii")).digest()


def parse_session_id(value: str) -> bytes | None:
    """Return the digest of the session id *value*, or None if it is malformed."""
    return hashlib.sha256(value.encode("ascii")).digest() if _ID.fullmatch(value) else None


def share_up_to(digest: bytes) -> float:
    """Return the share of all sessions (0 to 1) up to *digest*; digests are evenly distributed."""
    return int.from_bytes(digest[:4]) / 0xFFFF_FFFF


def handle_of(digest: bytes) -> str:
    """Return the public identifier of a session: 16 base64url characters, useless as a cookie."""
    return base64.urlsafe_b64encode(digest[:HANDLE_BYTES]).decode("ascii")


def digests_of(handle: str) -> tuple[bytes, bytes] | None:
    """Return the first and the last digest with this *handle*, or None if it is malformed."""
    if _HANDLE.fullmatch(handle) is None:
        return None
    prefix = base64.urlsafe_b64decode(handle)
    rest = DIGEST_BYTES - HANDLE_BYTES
    return prefix + b"\x00" * rest, prefix + b"\xff" * rest
