"""Access to the application's database for commands."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bodhi.cli.db import is_absent_file
from bodhi.database import Database, Schema
from bodhi.errors import BodhiError
from bodhi.settings import Settings, mask_url

Result = TypeVar("Result")


def in_application(settings: Settings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Run *work* on the application's database and return its result. The schema is checked, not changed."""
    from bodhi.server.databases import application_database, application_database_faults

    async def run() -> Result:
        async with application_database(settings) as database:
            await Schema(database, "application").check()
            return await work(database)

    with application_database_faults(settings):
        if is_absent_file(settings.database_url):
            raise BodhiError(
                f"{mask_url(settings.database_url)} does not exist; `python -m bodhi db migrate` creates it"
            )
        return asyncio.run(run())
