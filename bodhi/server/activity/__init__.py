"""Plots of the last day's activity."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from bodhi.server.activity import pages
from bodhi.server.activity.service import ACTIVITY, Activity, ActivityRecorder, read_totals
from bodhi.server.services import Services

OPERATIONS = pages.OPERATIONS


def setup(app: web.Application, services: Services) -> None:
    """Add the feature to *app*."""
    activity, metrics = Activity(services.database), services.metrics
    app[ACTIVITY] = activity
    services.navigation.administration.append(pages.ENTRY)

    async def record_activity(_: web.Application) -> AsyncIterator[None]:
        recorder = ActivityRecorder(activity, amounts=lambda: read_totals(metrics), count_live=metrics.count_live)
        recording = asyncio.create_task(recorder.run())
        yield  # requests are served here
        recording.cancel()
        await asyncio.gather(recording, return_exceptions=True)
        await recorder.close()

    app.cleanup_ctx.append(record_activity)
