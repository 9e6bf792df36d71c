"""Statements of requests and of repeated tasks use an index."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from bodhi.database import Schema, open_database
from bodhi.database.statements import load_statements
from database.test_matching_dialects import value_for

BY_DIGEST = {
    "load_session",
    "lock_session",
    "save_session",
    "save_session_ages",
    "rotate_session",
    "touch_session",
    "delete_session",
    "revoke_session",
    "rekey_session",
    "set_aside_session",
    "remove_unreadable",
    "list_sessions",
    "list_sessions_before",
    "list_data",
    "sample_data",
    "list_versions",
    "list_held",
    "read_sessions",
    "update_copied",
    "end_copied",
    "live_among",
}
BY_USER = {"count_user", "user_activity", "list_user", "clear_user", "trim_user"}
BY_EXPIRY = {"sweep_sessions", "count_sessions"}
INDEXES = {
    "postgres": {"digest": "bodhi_session_pkey", "user": "bodhi_session_user", "expiry": "bodhi_session_expiry"},
    "sqlite": {
        "digest": "sqlite_autoindex_bodhi_session_1",
        "user": "bodhi_session_user",
        "expiry": "bodhi_session_expiry",
    },
}
EXPECTED = (
    [(name, "digest") for name in sorted(BY_DIGEST)]
    + [(name, "user") for name in sorted(BY_USER)]
    + [(name, "expiry") for name in sorted(BY_EXPIRY)]
)
# A whole table is what these are about: ending every session.
WHOLE_TABLE = {"clear_some", "clear_all"}


def test_every_statement_on_sessions_has_its_plan_here():
    """A new statement is put into one of the sets above."""
    on_sessions = {one.name for one in load_statements("sqlite").values() if "bodhi_session\n" in one.sql + "\n"}

    assert BY_DIGEST | BY_USER | BY_EXPIRY | WHOLE_TABLE == on_sessions


@pytest.mark.parametrize(("name", "index"), EXPECTED)
async def test_sqlite_searches_by_index(name, index, sqlite_url):
    """No scan of the sessions, without statistics, as on a new database."""
    async with open_database(sqlite_url) as database:
        await Schema(database, "session").migrate()
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:"))
    connection.create_function("now_ms", 1, lambda fixed: fixed, deterministic=True)
    statement = load_statements("sqlite")[name]
    values = {str(number): value_for(param) for number, param in enumerate(statement.params, 1)}
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", values)]
    connection.close()

    assert any(INDEXES["sqlite"][index] in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN bodhi_session")]


@pytest.mark.parametrize(("name", "index"), EXPECTED)
async def test_postgres_searches_by_index(name, index, postgres_plans):
    """No scan of the sessions where the planner is not tempted by a small table."""
    plan, whole = await postgres_plans(name)
    on_sessions = [step for step in _steps(plan) if whole(step.get("Relation Name")) == "bodhi_session"]

    assert INDEXES["postgres"][index] in {whole(step.get("Index Name")) for step in _steps(plan)}, plan
    assert "Seq Scan" not in {step["Node Type"] for step in on_sessions}, plan


@pytest.fixture
async def postgres_plans(postgres_url):
    """Returns the plan of a statement, and what says of which table or index another one is a partition."""
    async with open_database(postgres_url) as database:
        await Schema(database, "session").migrate()
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("SET enable_seqscan = off")
    whole = dict(await connection.fetch("SELECT inhrelid::regclass::text, inhparent::regclass::text FROM pg_inherits"))

    async def plan(name: str) -> tuple[dict[str, Any], Callable[[str | None], str | None]]:
        statement = load_statements("postgres")[name]
        prepared = await connection.prepare(statement.sql)
        # revoke_session with a user may as well look among that user's few sessions.
        values = [None if name == "revoke_session" and one == "user_id" else value_for(one) for one in statement.params]
        answer = await prepared.explain(*values)
        return dict(answer[0]["Plan"]), lambda part: whole.get(part, part)

    yield plan
    await connection.close()


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for step in plan.get("Plans", []):
        yield from _steps(step)
