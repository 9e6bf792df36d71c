"""The session of a request as the refresh of its tokens sees it: where logins and sessions meet."""

from collections.abc import Callable
from typing import Any, TypeVar

from bodhi.session import DefaultSessionService, SessionGone, StoredSession

Answer = TypeVar("Answer")


class LoginEnded(Exception):
    """The session ended while its tokens were refreshed."""


class SessionRow:
    """One session's row, by its digest: as it is now, not as the request once loaded it."""

    def __init__(self, service: DefaultSessionService, digest: bytes, *, user_id: str | None = None) -> None:
        self._service = service
        self._user_id = user_id
        self.key = digest

    async def atomically(self, change: Callable[[dict[str, Any], int], Answer]) -> Answer:
        """What *change* answers on the data, given with the database's time in ms; raises :exc:`LoginEnded`."""
        return (await self._change(change))[1]

    async def read(self) -> StoredSession:
        """The session as it is stored now; raises :exc:`LoginEnded`."""
        return (await self._change(lambda _data, _now_ms: None))[0]

    async def end(self) -> None:
        """End the session, whose login the provider has ended."""
        await self._service.delete(self.key, reason="invalid_grant", user_id=self._user_id)

    async def _change(self, change: Callable[[dict[str, Any], int], Answer]) -> tuple[StoredSession, Answer]:
        try:
            return await self._service.atomically(self.key, change)
        except SessionGone as error:
            raise LoginEnded from error
