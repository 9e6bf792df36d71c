"""Sessions by the identity provider's session id, and the logout tokens already processed."""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256

from bodhi.database import Database
from bodhi.server.access.sweeping import sweep_in_batches

CLOCK_SKEW_MS = 300_000  # logout tokens are remembered this long after their expiry
LONGEST_KEY = 2_000  # bytes of a stored id; PostgreSQL limits the length of index entries


def without_sid(user_id: str) -> str:
    """Return the key in place of a provider's session id for sessions of *user_id* that have none."""
    return f"none of {user_id}"


class ProviderSessions:
    """Short-lived records for logouts by the provider."""

    def __init__(self, database: Database, *, clock: Callable[[], int | None] = lambda: None) -> None:
        self._database = database
        self._clock = clock

    async def remember(self, sid: str, handle: str, user_id: str, *, lifetime_seconds: int) -> None:
        """Store that the session with this handle belongs to the provider's session *sid*."""
        await self._database.count(
            "remember_provider_session",
            sid=_key(sid),
            handle=handle,
            user_id=user_id,
            lifetime_ms=lifetime_seconds * 1000,
            now=self._clock(),
        )

    async def handles_of(self, sid: str) -> Sequence[tuple[str, str]]:
        """Return handle and user id of each session that belongs to *sid*, as the provider's logout names it.

        Nobody but this server names the sessions without one: their key could be guessed from a user id.
        """
        return [(handle, owner) for handle, owner in await self._listed(sid) if sid != without_sid(owner)]

    async def handles_without_sid(self, user_id: str) -> Sequence[str]:
        """Return the handles of the user's sessions that belong to no session of the provider."""
        return [handle for handle, owner in await self._listed(without_sid(user_id)) if owner == user_id]

    async def _listed(self, sid: str) -> Sequence[tuple[str, str]]:
        rows = await self._database.many("list_provider_sessions", sid=_key(sid), now=self._clock())
        return [(row["handle"], row["user_id"]) for row in rows]

    async def forget(self, sid: str) -> None:
        """Delete the records of the provider's session *sid*."""
        await self._database.count("forget_provider_session", sid=_key(sid))

    async def claim_once(self, jti: str, expires_at: int) -> bool:
        """Mark what is good once, such as a logout token, as used; return False if it was. In seconds since 1970."""
        new = await self._database.count(
            "heed_logout_token", jti=_key(jti), expires_at=expires_at * 1000 + CLOCK_SKEW_MS
        )
        return new == 1

    async def claim_secret(self, kind: str, secret: str, seconds: int) -> bool:
        """Mark a *secret* that is good once, for at most so many *seconds*, as used; return False if it was.

        Only its hash is stored.
        """
        return await self.claim_once(f"{kind} {sha256(secret.encode()).hexdigest()}", int(time.time()) + seconds)

    async def forget_token(self, jti: str) -> None:
        """Unmark a logout token that could not be processed, so that the provider can retry."""
        await self._database.count("forget_logout_token", jti=_key(jti))

    async def sweep(self) -> int:
        """Delete expired records; return their number."""
        statements = ("sweep_provider_sessions", "sweep_logout_tokens")
        return sum([await sweep_in_batches(self._database, statement, now=self._clock()) for statement in statements])


def _key(text: str) -> str:
    """Return *text*, or its digest if it is too long for an index."""
    return text if len(text.encode()) <= LONGEST_KEY else sha256(text.encode()).hexdigest()
