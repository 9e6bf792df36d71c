"""What ends as a user's role changes, or as a user is removed."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from bodhi.server.access.principal import SessionUser

EndReason = Literal["role_change", "approval", "removal"]

# Takes away what a user has in one feature; given their id, and whoever removes them.
OnRemoval = Callable[[str, SessionUser], Awaitable[object]]


class EndSessions(Protocol):
    """Ends all sessions of a user."""

    async def __call__(self, user_id: str, /, *, reason: EndReason, by: str) -> int:
        """How many ended; *by* is the user id of whoever decided it."""
