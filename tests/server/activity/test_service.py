"""Activity of the last day by minute."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from bodhi.database import DatabaseUnavailable, Schema, open_database
from bodhi.server.activity.service import REASONS, Activity, ActivityRecorder
from bodhi.session.endings import Reason

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
MINUTE_MS = 60_000


@pytest.fixture
def activity(application, clock):
    """The activity service of a node."""
    return Activity(application, clock=clock)


@pytest.fixture
def totals():
    """The totals of a process."""
    return {"logins": 0, "saves": 0}


@pytest.fixture
def make_recorder(totals):
    """Creates recorders; there are 7 live sessions."""

    async def count_live():
        return 7

    return lambda activity: ActivityRecorder(activity, amounts=lambda: totals, count_live=count_live)


async def busy_minutes(activity, name, hours=1):
    """Return the minutes with activity, counted back from now."""
    return {
        (NOW - minute) // timedelta(minutes=1): value for minute, value in await activity.series(name, hours) if value
    }


async def test_activity_of_all_processes_is_summed_by_minute(activity, clock):
    """What each of them tells is added to what the others told."""
    await activity.add({"logins": 2, "saves": 5})
    await activity.add({"logins": 1})
    clock.advance(MINUTE_MS)
    await activity.add({"logins": 4})

    assert {0: 3, -1: 4} == await busy_minutes(activity, "logins")
    assert {0: 5} == await busy_minutes(activity, "saves")


async def test_ended_sessions_are_counted_by_reason(activity, clock):
    """Those of the span, most frequent first."""
    await activity.add({"ended.cap": 9, "revocations": 9})
    assert {"cap": 9} == await activity.ended_by_reason(24)
    clock.advance(60 * MINUTE_MS)
    await activity.add({"ended.logout": 2, "ended.revoked": 3, "saves": 5})
    clock.advance(MINUTE_MS)
    await activity.add({"ended.logout": 2})

    assert [("logout", 4), ("revoked", 3)] == list((await activity.ended_by_reason(1)).items())
    assert {"cap": 9, "logout": 4, "revoked": 3} == await activity.ended_by_reason(24)


async def test_reasons_are_found_where_punctuation_does_not_count(postgres_url, clock):
    """As in the collations of older systems."""
    async with open_database(postgres_url, limit_seconds=60) as database:
        await Schema(database, "application").migrate()
        await database.script(
            "CREATE COLLATION letters (provider = icu, locale = 'und-u-ka-shifted');"
            "ALTER TABLE bodhi_activity ALTER name TYPE text COLLATE letters"
        )
        activity = Activity(database, clock=clock)
        await activity.add({"ended.logout": 2, "ended.role_change": 3, "ended": 5, "endings": 7, "saves": 5})

        assert {"role_change": 3, "logout": 2} == await activity.ended_by_reason(1)


async def test_start_of_the_data_is_known(activity, clock):
    """As soon as there is some."""
    assert await activity.recorded_since() is None
    await activity.add({"saves": 1})
    clock.advance(5 * MINUTE_MS)
    await activity.add({"logins": 1})

    assert NOW == await activity.recorded_since()


def test_every_reason_of_an_end_has_a_label():
    """In the words of the page."""
    assert set(get_args(Reason)) == set(REASONS)


async def test_reasons_are_deleted_after_a_day(activity, clock):
    """As everything else is."""
    await activity.add({f"ended.{reason}": 1 for reason in REASONS})
    clock.advance(26 * 60 * MINUTE_MS)

    await activity.sweep()

    assert await activity.recorded_since() is None


async def test_series_starts_at_the_first_recorded_minute(activity, clock):
    """Of anything: before that nobody looked, which is not 0."""
    assert [] == await activity.series("logins", 6)
    await activity.add({"saves": 1})
    clock.advance(2 * MINUTE_MS + 999)

    series = await activity.series("logins", 6)

    assert [(NOW + timedelta(minutes=offset), 0) for offset in range(3)] == series


async def test_a_series_has_every_minute(activity, clock):
    """From the oldest to the present one; nothing is 0."""
    clock.advance(-24 * 60 * MINUTE_MS)
    await activity.add({"saves": 1})
    clock.advance(24 * 60 * MINUTE_MS)
    await activity.add({"logins": 1})
    clock.advance(2 * MINUTE_MS + 999)

    series = await activity.series("logins", 1)

    assert [NOW + timedelta(minutes=offset) for offset in range(-57, 3)] == [minute for minute, _ in series]
    assert [0] * 57 + [1, 0, 0] == [value for _, value in series]
    assert 60 * 24 == len(await activity.series("logins", 24)) == len(await activity.series("logins", 1_000))
    assert [] == [value for _, value in await activity.series("conflicts", 1) if value]


async def test_live_sessions_are_sampled_by_one_process_per_minute(activity, clock):
    """The others find that it was done, and ask the database for no more."""
    counts = []

    async def count_live():
        counts.append(len(counts) + 1)
        return 40 + len(counts)

    assert [True, False, False] == [await activity.sample_live_sessions(count_live) for _ in range(3)]
    clock.advance(3 * MINUTE_MS)
    assert await activity.sample_live_sessions(count_live)

    assert [1, 2] == counts
    series = await activity.series("live_sessions", 1)
    assert [(NOW, 41), (NOW + timedelta(minutes=3), 42)] == series


async def test_activity_older_than_a_day_is_deleted(activity, clock, application):
    """After 25 hours: a plot of 24 hours never lacks its first minutes."""
    await activity.add({"logins": 1})
    clock.advance(25 * 60 * MINUTE_MS)
    await activity.sweep()
    assert [NOW.timestamp() * 1000] == [
        row["minute"]
        for row in await application.many("list_activity", name="logins", span_ms=30 * 60 * MINUTE_MS, now=clock())
    ]

    clock.advance(1)
    await activity.sweep()

    rows = await application.many("list_activity", name="logins", span_ms=30 * 60 * MINUTE_MS, now=clock())
    assert [None] == [row["minute"] for row in rows]


async def test_recorder_writes_increases_only(make_recorder, activity, totals):
    """Not what it has written before, and not what happened before it was there."""
    totals["saves"] = 100
    recorder = make_recorder(activity)
    totals.update(saves=103, logins=1)
    await recorder.write()
    totals["saves"] = 105
    await recorder.write()
    await recorder.close()

    assert {0: 5} == await busy_minutes(activity, "saves")
    assert {0: 1} == await busy_minutes(activity, "logins")


async def test_failed_activity_write_is_retried(make_recorder, totals, database_url, application, clock):
    """An outage of the database loses nothing, and closing in it fails nothing."""
    away = open_database(database_url)  # not connected
    recorder = make_recorder(Activity(away, clock=clock))
    totals["saves"] = 3
    with pytest.raises(DatabaseUnavailable):
        await recorder.write()
    await recorder.close()

    async with away:
        await recorder.write()

    assert {0: 3} == await busy_minutes(Activity(application, clock=clock), "saves")
