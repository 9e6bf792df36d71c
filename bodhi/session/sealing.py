"""Session data, encrypted for its row: whose session it is, when it began and when it ends are authenticated too.

So nobody who can write the table can give a session to another user, or let it live longer. Every statement that
changes ``user_id``, ``created_at`` or ``ends_at`` has to store data that was encrypted for the new values.
"""

from struct import Struct

from msgspec.structs import replace

from bodhi.keyring import NEWEST_FORMAT, Keyring
from bodhi.session.records import SessionRecord, StoredData

_TIMES = Struct(">qq")


def bound_columns(user_id: str | bytes | None, created_at: int, ends_at: int) -> bytes:
    """The columns that a session's data is bound to, in one form for each of their values."""
    times = _TIMES.pack(created_at, ends_at)
    if user_id is None:
        return times
    # No user and the user "" differ. SQLite answers bytes for a text that is not UTF-8.
    return times + b"=" + (user_id if isinstance(user_id, bytes) else user_id.encode())


def open_data(keyring: Keyring, row: SessionRecord | StoredData) -> bytes:
    """The plaintext in *row*; raises :exc:`Unreadable` or :exc:`UnknownKey`."""
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
    """*plaintext* encrypted for the row with these columns, in the newest format up to *data_format*."""
    is_bound = data_format >= NEWEST_FORMAT
    return keyring.seal(plaintext, digest, bound_columns(user_id, created_at, ends_at) if is_bound else None)


def resealed(opens: Keyring, seals: Keyring, row: StoredData, data_format: int = 0) -> StoredData:
    """*row*, opened with *opens* and encrypted with the newest key of *seals*; never in an older format than before.

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
    """The format to write where the database says *stored*; a newer one than this program knows is for others."""
    return min(stored or NEWEST_FORMAT, NEWEST_FORMAT)


def format_of(data: bytes) -> int:
    """The format of encrypted *data*, which its first byte says."""
    return int.from_bytes(data[:1])
