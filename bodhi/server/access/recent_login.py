"""Whether somebody signed in recently enough for changes that need it."""

import time
from collections.abc import Callable

from aiohttp import web

from bodhi.server.access.principal import AuthContext, SessionUser

LEEWAY_SECONDS = 60  # how far clocks may differ


class RecentLogin:
    """Tells whether a sign-in is at most *seconds* old; with 0 it is never asked for."""

    def __init__(self, seconds: int, *, clock: Callable[[], float] = time.time) -> None:
        self.seconds = seconds
        self._clock = clock

    @property
    def is_required(self) -> bool:
        """Whether a recent sign-in is asked for at all."""
        return self.seconds > 0

    def admits(self, context: AuthContext) -> bool:
        """Whether *context* is somebody who signed in recently, or need not have; no time and the future are not."""
        if not self.is_required:
            return True
        if not isinstance(context, SessionUser) or context.signed_in_at is None:
            return False
        return -LEEWAY_SECONDS <= self._clock() - context.signed_in_at <= self.seconds


RECENT_LOGIN = web.AppKey("RECENT_LOGIN", RecentLogin)
