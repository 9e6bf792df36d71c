"""What follows a role change or the removal of a user: types of the actions, and their failure."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from bodhi import database
from bodhi.server.access.errors import DatabaseUnavailable, SessionsNotEnded, SessionsNotEndedInOutage
from bodhi.server.access.principal import SessionUser
from bodhi.session import SessionUnavailable

EndReason = Literal["role_change", "approval", "removal"]

# Removes a user's data of one feature; called with the user id and the caller.
OnRemoval = Callable[[str, SessionUser], Awaitable[object]]


class EndSessions(Protocol):
    """Callable that ends all sessions of a user."""

    async def __call__(self, user_id: str, /, *, reason: EndReason, by: str) -> int:
        """Return the number of ended sessions; *by* is the user id of the caller."""


def not_ended(*failures: Exception) -> SessionsNotEnded:
    """Return the error for actions that failed; its status tells an outage, which ends by itself, from a fault."""
    outages = SessionUnavailable | DatabaseUnavailable | database.DatabaseUnavailable
    is_outage = all(isinstance(failure, outages) for failure in failures)
    return SessionsNotEndedInOutage() if is_outage else SessionsNotEnded()
