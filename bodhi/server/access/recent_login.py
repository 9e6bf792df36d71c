"""Check that a user signed in recently, for changes that require it."""

import time
from collections.abc import Callable

from aiohttp import web

from bodhi.server.access.principal import AuthContext, SessionUser

LEEWAY_SECONDS = 60  # tolerated clock skew


class RecentLogin:
    """Requires sign-ins to be at most *seconds* old; 0 disables the check."""

    def __init__(self, seconds: int, *, clock: Callable[[], float] = time.time) -> None:
        self.seconds = seconds
        self._clock = clock

    @property
    def is_required(self) -> bool:
        """Whether the check is enabled."""
        return self.seconds > 0

    def admits(self, context: AuthContext) -> bool:
        """Whether *context* has a recent sign-in, or the check is disabled. An unknown or future time is not recent."""
        if not self.is_required:
            return True
        if not isinstance(context, SessionUser) or context.signed_in_at is None:
            return False
        return -LEEWAY_SECONDS <= self._clock() - context.signed_in_at <= self.seconds


RECENT_LOGIN = web.AppKey("RECENT_LOGIN", RecentLogin)
