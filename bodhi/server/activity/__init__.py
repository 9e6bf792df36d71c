"""Plots of the last day's activity."""

import random
from collections.abc import AsyncIterator
from itertools import chain, repeat

from aiohttp import web

from bodhi.background import repeated
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
        # The first pause spreads the writes of a cluster over the minute.
        pauses = chain([random.uniform(0, 60)], repeat(60))  # noqa: S311 - no secret
        async with repeated(recorder.record, pauses.__next__, "recording activity"):
            yield  # requests are served here
        await recorder.close()

    app.cleanup_ctx.append(record_activity)
