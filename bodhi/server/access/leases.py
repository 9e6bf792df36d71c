"""Turns that span processes: what must happen once is done by whoever holds the lease of that name."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bodhi.database import Database
from bodhi.errors import BodhiError
from bodhi.server.access.errors import ProviderUnavailable

POLL_SECONDS = 0.05
MARGIN_SECONDS = 15  # by which a lease outlives its holder's time, for clocks and slow statements

log = logging.getLogger(__name__)


class Leases:
    """Leases in the application's database.

    A row with an end rather than a lock: while the provider is asked, no connection and no transaction is held (on
    SQLite it would be the only writer), any pooler may stand before PostgreSQL, and of a process that dies the
    lease runs out by itself.
    """

    def __init__(
        self,
        database: Database,
        *,
        hold_seconds: float = 60.0,
        wait_seconds: float = 10.0,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Who holds a lease has *hold_seconds* for all that is done in it, and who wants it waits *wait_seconds*."""
        self._database = database
        self._hold_seconds = hold_seconds
        self._wait_seconds = wait_seconds
        self._clock = clock

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Inside, nobody else holds *name*.

        ``auth_error-idp_unavailable`` when it does not come free, or when what is inside takes too long: what holders
        wait for is the provider.
        """
        holder = secrets.token_hex(16)
        await self._wait_for(name, holder)
        try:
            async with asyncio.timeout(self._hold_seconds):
                yield
        except TimeoutError as error:
            raise ProviderUnavailable from error
        finally:
            await self._give_back(name, holder)

    async def _wait_for(self, name: str, holder: str) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                while not await self._take(name, holder):  # noqa: ASYNC110 - who holds it may be another process
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            await self._give_back(name, holder)  # it may have come in the last moment
            raise ProviderUnavailable from error

    async def _take(self, name: str, holder: str) -> bool:
        hold_ms = round((self._hold_seconds + MARGIN_SECONDS) * 1000)
        row = await self._database.maybe("take_lease", name=name, holder=holder, hold_ms=hold_ms, now=self._clock())
        return row is not None

    async def _give_back(self, name: str, holder: str) -> None:
        try:
            await self._database.count("give_back_lease", name=name, holder=holder)
        except BodhiError as error:  # what was done in it stands; the lease runs out
            log.warning("the lease %r was not given back: %s", name, error)
