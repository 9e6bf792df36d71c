"""Types of the actions that follow a role change or the removal of a user."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from bodhi.server.access.principal import SessionUser

EndReason = Literal["role_change", "approval", "removal"]

# Removes a user's data of one feature; called with the user id and the caller.
OnRemoval = Callable[[str, SessionUser], Awaitable[object]]


class EndSessions(Protocol):
    """Callable that ends all sessions of a user."""

    async def __call__(self, user_id: str, /, *, reason: EndReason, by: str) -> int:
        """Return the number of ended sessions; *by* is the user id of the caller."""
