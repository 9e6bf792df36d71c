"""Named leases: mutual exclusion between processes through the application's database."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bodhi.database import Database
from bodhi.errors import BodhiError, root_cause
from bodhi.oidc.errors import ProviderTimedOut
from bodhi.server.access.errors import ProviderUnavailable

POLL_SECONDS = 0.05
MARGIN_SECONDS = 15  # added to the lease's expiry, for clock skew and slow statements

log = logging.getLogger(__name__)


class Leases:
    """Leases in the application's database.

    A lease is a row with an expiry rather than a database lock: during requests to the provider no connection or
    transaction is held (on SQLite, the only writer), it works with any PostgreSQL pooler, and the lease of a killed
    process expires.
    """

    def __init__(
        self,
        database: Database,
        *,
        hold_seconds: float = 60.0,
        wait_seconds: float = 10.0,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Create the leases: one expires after *hold_seconds*; acquiring one waits at most *wait_seconds*."""
        self._database = database
        self._hold_seconds = hold_seconds
        self._wait_seconds = wait_seconds
        self._clock = clock

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Hold the lease *name* during the block.

        Raises :exc:`ProviderUnavailable` if the lease cannot be acquired, or if the block takes too long: holders of
        leases wait for the provider.
        """
        holder = secrets.token_hex(16)
        await self._acquire(name, holder)
        try:
            async with asyncio.timeout(self._hold_seconds):
                yield
        except TimeoutError:
            reason = f"the holder of lease {name!r} waited for longer than {self._hold_seconds:g} s"
            raise ProviderUnavailable from ProviderTimedOut(reason)
        finally:
            await self._release(name, holder)

    async def _acquire(self, name: str, holder: str) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                while not await self._try_acquire(name, holder):  # noqa: ASYNC110 - the holder may be another process
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            await self._release(name, holder)  # it may have been acquired just before the timeout
            reason = f"lease {name!r} was not free within {self._wait_seconds:g} s"
            raise ProviderUnavailable from ProviderTimedOut(reason)

    async def _try_acquire(self, name: str, holder: str) -> bool:
        hold_ms = round((self._hold_seconds + MARGIN_SECONDS) * 1000)
        row = await self._database.maybe("take_lease", name=name, holder=holder, hold_ms=hold_ms, now=self._clock())
        return row is not None

    async def _release(self, name: str, holder: str) -> None:
        try:
            await self._database.count("give_back_lease", name=name, holder=holder)
        except BodhiError as error:  # the work is done; the lease expires by itself
            log.warning("lease %r was not released: %s", name, root_cause(error))
