"""The arithmetic of the page about capacity is that of the measurements, and its commands work."""

import json
import math
import re

import asyncpg
import pytest

from bodhi.database import Schema, open_database
from bodhi.session import partition_sessions

MEASURED = 10_000_000
DAY_SECONDS = 86_400
SAVES, TOUCHES, LOADS = 10, 40, 200  # of a session a day, as the page assumes
EXPONENTS = (6, 7, 8, 9)
OPTIONS = """
SELECT DISTINCT unnest(reloptions) FROM pg_class
 WHERE relkind = 'r' AND (oid = 'bodhi_session'::regclass OR oid IN (SELECT inhrelid FROM pg_inherits))
"""


@pytest.fixture
def page(pages):
    """The page."""
    return pages["docs/how-to/plan-capacity.md"]


@pytest.fixture
def measured(root, page):
    """The figures of the result that the page names, by what they are, on one PostgreSQL table."""
    name = re.search(r"bench/results/([\w-]+)\.md", page.partition("## The measurements")[2])[1]
    tables = json.loads((root / "bench" / "results" / f"{name}.json").read_text())["tables"]
    return {row["what"]: row["postgres"] for row in tables["Many rows"] if "postgres" in row}


@pytest.fixture
def figures(page):
    """The numbers of the rows of tables that have one for each number of sessions."""
    rows = re.findall(r"^\| ([^|]+) \| ([\d.,]+) \| ([\d.,]+) \| ([\d.,]+) \| ([\d.,]+) \|$", page, re.MULTILINE)
    return {name: [float(cell.replace(",", "")) for cell in cells] for name, *cells in rows}


def is_about(written, right):
    """Whether a number on the page is right as far as it is written."""
    return math.isclose(written, right, rel_tol=0.01, abs_tol=0.06) or abs(written - right) <= 0.51


def test_sizes_are_the_measured_ones(figures, measured):
    """Table and indexes, multiplied by the number of sessions."""
    indexes = sum(size for name, size in measured.items() if re.fullmatch(r"index \w+ MB", name))
    for title, megabytes in (
        ("table on PostgreSQL, GB", measured["table MB"]),
        ("its indexes, GB", indexes),
        ("together, GB", measured["table MB"] + indexes),
    ):
        right = [megabytes / 1000 * 10**exponent / MEASURED for exponent in EXPONENTS]
        assert all(map(is_about, figures[title], right)), (title, right)


def test_the_work_is_that_of_the_sessions(figures, measured):
    """Of so many a day each, with the measured bytes of log."""
    save = measured["save of a page logged before log bytes"]
    touch = measured["64 touches of pages logged before log bytes"] / 64
    whole_page = measured["save log bytes"] - save
    rights = {
        "sessions that begin, and end, a second": 1 / DAY_SECONDS,
        "loads a second, mean": LOADS / DAY_SECONDS,
        "saves a second, mean": SAVES / DAY_SECONDS,
        "touches a second, mean": TOUCHES / DAY_SECONDS,
        "write-ahead log, records alone, MB/s": (SAVES * save + TOUCHES * touch) / DAY_SECONDS / 1e6,
        "... whole pages on top of it, a checkpoint every 30 minutes, MB/s at most": whole_page / 4 / 1800 / 1e6,
    }
    for title, of_one in rights.items():
        right = [of_one * 10**exponent for exponent in EXPONENTS]
        assert all(map(is_about, figures[title], right)), (title, right)


def test_processes_and_connections_follow_from_the_loads(figures):
    """At the peak, which is three times the mean, with a pool of five."""
    processes = figures["processes of bodhi at the peak, at 2,000 requests a second each"]
    loads = figures["loads a second, mean"]

    assert [math.ceil(3 * mean / 2000) for mean in loads] == processes
    assert [6 * number for number in processes] == figures["connections to PostgreSQL, with a pool of 5"]


@pytest.mark.parametrize("partitions", [1, 4])
async def test_settings_for_autovacuum_are_taken(partitions, page, postgres_url):
    """By the table before it is divided, and by its partitions after that."""
    before, after = (block for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "autovacuum" in block)
    async with open_database(postgres_url) as database:
        await Schema(database, "session").migrate()
        await partition_sessions(database, 1, lambda copied: None)
        await database.script(before)
        await partition_sessions(database, partitions, lambda copied: None)
        if partitions > 1:
            await database.script(
                "DO $$ BEGIN EXECUTE (SELECT string_agg(format('ALTER TABLE %s RESET"
                " (autovacuum_vacuum_cost_delay)', inhrelid::regclass), ';') FROM pg_inherits"
                " WHERE inhparent = 'bodhi_session'::regclass); END $$"
            )
            await database.script(after)
    connection = await asyncpg.connect(postgres_url)
    options = {row[0] for row in await connection.fetch(OPTIONS)}
    await connection.close()

    assert {"fillfactor=70", "autovacuum_vacuum_scale_factor=0.05", "autovacuum_vacuum_cost_delay=1"} <= options


async def test_settings_of_the_database_divide_its_table(page, postgres_url):
    """As it is made."""
    (settings,) = (block for block in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "session_partitions" in block)
    connection = await asyncpg.connect(postgres_url)
    database = await connection.fetchval("SELECT current_database()")
    await connection.execute(settings.replace("DATABASE bodhi_sessions", f"DATABASE {database}"))
    async with open_database(postgres_url) as opened:
        await Schema(opened, "session").migrate()

    assert 8 == await connection.fetchval(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'bodhi_session'::regclass"
    )
    await connection.close()


async def test_settings_of_the_server_exist(page, postgres_url):
    """Under these names, and with values that PostgreSQL takes."""
    (block,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    settings = dict(re.findall(r"^(\w+) = (\w+)", block, re.MULTILINE))
    connection = await asyncpg.connect(postgres_url)
    known = {row[0] for row in await connection.fetch("SELECT name FROM pg_settings")}
    await connection.close()

    assert "max_wal_size" in settings
    assert set() == settings.keys() - known
