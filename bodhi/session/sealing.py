"""Encrypt session data bound to its row: user, creation time and end are authenticated too.

An attacker with write access cannot assign a session to another user or extend it. Every statement that
changes ``user_id``, ``created_at`` or ``ends_at`` must store data encrypted for the new values.
"""

from struct import Struct

from msgspec.structs import replace

from bodhi.keyring import NEWEST_FORMAT, Keyring
from bodhi.session.records import SessionRecord, StoredData

_TIMES = Struct(">qq")


def bound_columns(user_id: str | bytes | None, created_at: int, ends_at: int) -> bytes:
    """Return the columns that a session's data is bound to, in a canonical encoding."""
    times = _TIMES.pack(created_at, ends_at)
    if user_id is None:
        return times
    # None and "" are different users. SQLite returns bytes for text that is not UTF-8.
    return times + b"=" + (user_id if isinstance(user_id, bytes) else user_id.encode())


def open_data(keyring: Keyring, row: SessionRecord | StoredData) -> bytes:
    """Decrypt the data in *row*; raise :exc:`Unreadable` or :exc:`UnknownKey`."""
    return keyring.open(row.data, row.digest, bound_columns(row.user_id, row.created_at, row.ends_at))


def seal_data(
    keyring: Keyring,
    plaintext: bytes,
    digest: bytes,
    *,
    user_id: str | None,
    created_at: int,
    ends_at: int,
    data_format: int,
) -> bytes:
    """Encrypt *plaintext* for the row with these columns, in the newest format up to *data_format*."""
    is_bound = data_format >= NEWEST_FORMAT
    return keyring.seal(plaintext, digest, bound_columns(user_id, created_at, ends_at) if is_bound else None)


def resealed(opens: Keyring, seals: Keyring, row: StoredData, data_format: int = 0) -> StoredData:
    """Decrypt *row* with *opens* and encrypt it with the newest key of *seals*, never in an older format.

    Raises :exc:`Unreadable` or :exc:`UnknownKey`.
    """
    data = seal_data(
        seals,
        open_data(opens, row),
        row.digest,
        user_id=row.user_id,
        created_at=row.created_at,
        ends_at=row.ends_at,
        data_format=max(data_format, format_of(row.data)),
    )
    return replace(row, data=data)


def written_format(stored: int | None) -> int:
    """Return the format to write if the database has *stored*, at most the newest that this version knows."""
    return min(stored or NEWEST_FORMAT, NEWEST_FORMAT)


def format_of(data: bytes) -> int:
    """Return the format of encrypted *data*, from its first byte."""
    return int.from_bytes(data[:1])
