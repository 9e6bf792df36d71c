"""A node of version 0.1.0, as far as it reads and writes sessions: its statements, and its format of data."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bodhi.database import Database, Schema, open_database
from bodhi.database.statements import parse
from bodhi.session.codec import decode, encode
from bodhi.session.handles import digest_of, new_session_id
from session.conftest import IDLE_SECONDS, KEY, LIFETIME_SECONDS, Clock

STATEMENTS = Path(__file__).parent / "version_0_1_0"
KNOWN_MIGRATIONS = 2


def _derived(purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(KEY.encode())


HEAD = b"\x01" + _derived(b"bodhi key id", 4)
CIPHER = AESGCM(_derived(b"bodhi session data", 32))


def seal(data: dict[str, Any], digest: bytes) -> bytes:
    """*data* as version 0.1.0 stores it."""
    nonce = os.urandom(12)
    return HEAD + nonce + CIPHER.encrypt(nonce, encode(data), HEAD + digest)


def unseal(sealed: bytes, digest: bytes) -> dict[str, Any] | None:
    """What version 0.1.0 reads; None where it would set the row aside."""
    if sealed[:5] != HEAD:
        return None
    try:
        return decode(CIPHER.decrypt(sealed[5:17], sealed[17:], HEAD + digest))
    except InvalidTag:
        return None


class OldNode:
    """It was started before the database was migrated, and goes on."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def on(cls, url: str, clock: Clock) -> AsyncIterator[Self]:
        """A node on the database, which it has migrated as far as it knows."""
        async with open_database(url) as database:
            schema = Schema(database, "session")
            del schema.migrations[KNOWN_MIGRATIONS:]
            await schema.migrate()
            text = (STATEMENTS / f"{database.dialect}.sql").read_text("utf-8")
            old = {one.name: one for one in parse(text, source=database.dialect)}
            database._statements = {**database._statements, **old}  # type: ignore[attr-defined]
            yield cls(database, clock)

    async def _one(self, statement: str, **values: Any) -> Any:
        return await self._database.maybe(statement, **values, now=self._clock())

    async def create(self, data: dict[str, Any], max_age_seconds: int | None = None) -> str:
        """The id of a new session."""
        session_id = new_session_id()
        digest = digest_of(session_id)
        await self._one(
            "create_session",
            digest=digest,
            data=seal(data, digest),
            user_id=data.get("user_id"),
            ip=None,
            user_agent=None,
            idle_ms=IDLE_SECONDS * 1000,
            lifetime_ms=LIFETIME_SECONDS * 1000,
            max_age_ms=max_age_seconds and max_age_seconds * 1000,
        )
        return session_id

    async def load(self, session_id: str) -> dict[str, Any] | None:
        """What it reads in the session."""
        digest = digest_of(session_id)
        row = await self._one("load_session", digest=digest)
        return unseal(row["data"], digest) if row else None

    async def save(self, session_id: str, max_age_seconds: int | None = None, **changes: Any) -> None:
        """Changes keys of the session."""
        digest = digest_of(session_id)
        row = await self._one("load_session", digest=digest)
        data = {**unseal(row["data"], digest), **changes}  # type: ignore[dict-item]
        values = {
            "digest": digest,
            "version": row["version"],
            "data": seal(data, digest),
            "user_id": data.get("user_id"),
        }
        if max_age_seconds is None:
            assert await self._one("save_session", **values)
            return
        ages = {"idle_ms": IDLE_SECONDS * 1000, "lifetime_ms": LIFETIME_SECONDS * 1000}
        assert await self._one("save_session_ages", **values, **ages, max_age_ms=max_age_seconds * 1000)

    async def rotate(self, session_id: str, **changes: Any) -> str:
        """A login: the session's new id."""
        digest, new_id = digest_of(session_id), new_session_id()
        row = await self._one("lock_session", digest=digest)
        data = {**unseal(row["data"], digest), **changes}  # type: ignore[dict-item]
        moved = await self._one(
            "rotate_session",
            digest=digest,
            version=row["version"],
            new_digest=digest_of(new_id),
            data=seal(data, digest_of(new_id)),
            user_id=data.get("user_id"),
            ip=None,
            user_agent=None,
            idle_ms=IDLE_SECONDS * 1000,
            created_at=self._clock(),
            ends_at=self._clock() + LIFETIME_SECONDS * 1000,
        )
        assert moved
        return new_id
