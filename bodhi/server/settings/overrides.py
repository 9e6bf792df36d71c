"""Settings overrides: stored in the database, applied in every process."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from bodhi.background import repeated
from bodhi.database import Database, Row
from bodhi.server.access.times import time_of


@dataclass(frozen=True, slots=True)
class Override:
    """A stored value, in the syntax of environment variables; *by* is the id of the user who changed it, if known."""

    value: str
    by: str | None
    at: datetime


class SettingsOverrides:
    """The overrides in the database. Entering applies them and polls for changes by other processes.

    *apply* is called with all values by key, in the syntax of environment variables: at the start, after each change
    made here, and every *every_seconds*.
    """

    def __init__(
        self,
        database: Database,
        *,
        apply: Callable[[Mapping[str, str]], None],
        every_seconds: float = 15,
        clock: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._database = database
        self._apply = apply
        self._clock = clock
        self.stored: Mapping[str, Override] = {}
        # Serializes reading and applying, so that an older read is never applied last.
        self._turn = asyncio.Lock()
        # Random jitter, so that the processes of a cluster do not query at the same time.
        self._following = repeated(
            self.refresh,
            lambda: every_seconds * random.uniform(0.5, 1.5),  # noqa: S311 - no secret
            "reading settings overrides",
        )

    async def __aenter__(self) -> Self:
        await self.refresh()
        await self._following.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._following.__aexit__(None, None, None)

    async def put(self, key: str, value: str, kind: str, *, by: str | None = None) -> None:
        """Store an override; *kind* is the name of the setting's type."""
        await self._database.count("put_setting", key=key, value=value, type=kind, by=by, now=self._clock())
        await self.refresh()

    async def remove(self, key: str) -> None:
        """Remove an override."""
        await self._database.count("remove_setting", key=key)
        await self.refresh()

    async def refresh(self) -> None:
        """Read the overrides from the database and apply them."""
        async with self._turn:
            rows = await self._database.many("list_settings")
            self.stored = {row["key"]: _override(row) for row in rows}
            self._apply({key: override.value for key, override in self.stored.items()})


def _override(row: Row) -> Override:
    return Override(row["value"], row["changed_by"], time_of(row["updated_at"]))
