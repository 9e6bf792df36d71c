"""Access to the stored session for token refreshes."""

from collections.abc import Callable
from typing import Any, TypeVar

from bodhi.server.access.errors import LoginEnded
from bodhi.session import DefaultSessionService, SessionGone, StoredSession

Result = TypeVar("Result")


class SessionRow:
    """The current row of a session, by digest, as opposed to the row loaded by the request."""

    def __init__(self, service: DefaultSessionService, digest: bytes, *, user_id: str | None = None) -> None:
        self._service = service
        self._user_id = user_id
        self.key = digest

    async def atomically(self, change: Callable[[dict[str, Any], int], Result]) -> Result:
        """Call *change* on the data and the database's time in ms; return its result. Raises :exc:`LoginEnded`."""
        return (await self._change(change))[1]

    async def read(self) -> StoredSession:
        """Return the session as it is stored now; raise :exc:`LoginEnded`."""
        return (await self._change(lambda _data, _now_ms: None))[0]

    async def end(self) -> None:
        """End the session after the provider has rejected its refresh token."""
        await self._service.delete(self.key, reason="invalid_grant", user_id=self._user_id)

    async def _change(self, change: Callable[[dict[str, Any], int], Result]) -> tuple[StoredSession, Result]:
        try:
            return await self._service.atomically(self.key, change)
        except SessionGone as error:
            raise LoginEnded from error
