"""How who decides about people ends their sessions."""

from typing import Literal, Protocol

EndReason = Literal["role_change", "approval", "removal"]


class EndSessions(Protocol):
    """Ends all sessions of a user."""

    async def __call__(self, user_id: str, /, *, reason: EndReason, by: str) -> int:
        """How many ended; *by* is the user id of whoever decided it."""
