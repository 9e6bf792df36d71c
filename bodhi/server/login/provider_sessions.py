"""Which session belongs to which session at the identity provider, and which of its logout tokens were heeded."""

from collections.abc import Callable, Sequence

from bodhi.database import Database
from bodhi.server.access.sweeping import sweep_in_batches

CLOCKS_MS = 300_000  # by which clocks may differ: a token is still refused when it only seems to have expired


class ProviderSessions:
    """Short-lived rows that make back-channel logout work."""

    def __init__(self, database: Database, *, clock: Callable[[], int | None] = lambda: None) -> None:
        self._database = database
        self._clock = clock

    async def remember(self, sid: str, handle: str, user_id: str, *, lifetime_seconds: int) -> None:
        """The session with this handle was opened within the provider's session *sid*; it lives no longer than that."""
        await self._database.count(
            "remember_provider_session",
            sid=sid,
            handle=handle,
            user_id=user_id,
            lifetime_ms=lifetime_seconds * 1000,
            now=self._clock(),
        )

    async def handles_of(self, sid: str) -> Sequence[tuple[str, str]]:
        """Handle and user of each session that was opened within *sid*."""
        rows = await self._database.many("list_provider_sessions", sid=sid, now=self._clock())
        return [(row["handle"], row["user_id"]) for row in rows]

    async def forget(self, sid: str) -> None:
        """The provider's session is over, and so are those within it."""
        await self._database.count("forget_provider_session", sid=sid)

    async def claim_once(self, jti: str, expires_at: int) -> bool:
        """Whether a logout token comes for the first time; *expires_at*, its own, is in seconds since 1970."""
        new = await self._database.count("heed_logout_token", jti=jti, expires_at=expires_at * 1000 + CLOCKS_MS)
        return new == 1

    async def forget_token(self, jti: str) -> None:
        """The logout token could not be heeded after all, and may come again."""
        await self._database.count("forget_logout_token", jti=jti)

    async def sweep(self) -> int:
        """Delete what has expired; how many rows."""
        statements = ("sweep_provider_sessions", "sweep_logout_tokens")
        return sum([await sweep_in_batches(self._database, one, now=self._clock()) for one in statements])
