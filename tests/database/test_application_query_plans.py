"""Statements of requests on profiles, tokens and applications use an index."""

import sqlite3

import asyncpg

from bodhi.database import Schema, open_database
from bodhi.database.statements import load_statements

TOKEN, REQUEST, SESSION = "bodhi_api_token", "bodhi_app_access_request", "bodhi_provider_session"
PERSON = "bodhi_person"
PLANS = {
    "find_api_token": TOKEN,
    "list_api_tokens": TOKEN,
    "count_api_tokens": TOKEN,
    "update_api_token": TOKEN,
    "delete_api_token": TOKEN,
    "disable_api_tokens": TOKEN,
    "disable_api_token": TOKEN,
    "note_api_token_use": TOKEN,
    "list_tokens_of_all": TOKEN,
    "list_tokens_of_all_before": TOKEN,
    "count_tokens_of_all": TOKEN,
    "count_open_app_access_requests": REQUEST,
    "find_app_access_request": REQUEST,
    "find_app_access_request_by_scope": REQUEST,
    "name_app": REQUEST,
    "claim_app_access_request": REQUEST,
    "release_app_access_request": REQUEST,
    "finish_app_access_request": REQUEST,
    "deny_app_access_request": REQUEST,
    "withdraw_app_access_request": REQUEST,
    "withdraw_app_access_requests_of": REQUEST,
    "list_app_access_requests": REQUEST,
    "count_app_access_requests": REQUEST,
    "sweep_app_access_requests": REQUEST,
    "list_provider_sessions": SESSION,
    "forget_provider_session": SESSION,
    "sweep_provider_sessions": SESSION,
    "find_person": PERSON,
    "see_person": PERSON,
    "change_person_role": PERSON,
    "list_users": PERSON,
    "search_users": PERSON,
    "search_users_before": PERSON,
    "count_users": PERSON,
    "find_users": PERSON,
    "last_authority_change": PERSON,
    "lower_person_role": PERSON,
    "finish_role_change": PERSON,
    "grant_role": PERSON,
    "list_role_holders": PERSON,
    "count_role_holders": PERSON,
    "find_other_role_holder": PERSON,
}
# Steps through the rows that another step has found, and through a JSON array.
NO_TABLES = {"SCAN matching", "SCAN json_each VIRTUAL TABLE INDEX 1:"}
VALUES = {"text": "text", "json": "[]"}  # on PostgreSQL, by the types of parameters
# They add a row.
OTHERS = {
    "create_api_token",
    "create_app_access_request",
    "remember_provider_session",
    "note_person",
    "remove_person",
    "grant_first_administrator",
}


def test_every_statement_on_these_tables_has_its_plan_here():
    """A new statement is put into one of the two."""
    touching = {
        one.name
        for one in load_statements("sqlite").values()
        if any(f"{table}{end}" in one.sql + "\n" for table in (TOKEN, REQUEST, SESSION, PERSON) for end in ("\n", " "))
    }

    assert PLANS.keys() | OTHERS == touching


async def test_sqlite_scans_no_table(sqlite_url):
    """Without statistics, as on a new database."""
    async with open_database(sqlite_url) as database:
        await Schema(database, "application").migrate()
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:"))
    connection.create_function("now_ms", 1, lambda fixed: fixed, deterministic=True)
    scans = {}
    for name in PLANS:
        statement = load_statements("sqlite")[name]
        values = {
            str(number): "[]" if param == "user_ids" else 1_000 for number, param in enumerate(statement.params, 1)
        }
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", values)]
        # In an index that is in the right order, a scan stops where the LIMIT is reached.
        steps = set(plan) - NO_TABLES
        scans[name] = [step for step in steps if step.startswith("SCAN") and "USING INDEX" not in step]
    connection.close()

    assert {} == {name: steps for name, steps in scans.items() if steps}


async def test_postgres_scans_no_table(postgres_url):
    """Where the planner is not tempted by a small table."""
    async with open_database(postgres_url) as database:
        await Schema(database, "application").migrate()
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("SET enable_seqscan = off")
    scanned = {}
    for name in PLANS:
        prepared = await connection.prepare(load_statements("postgres")[name].sql)
        values = [VALUES.get(one.name, 1_000) for one in prepared.get_parameters()]
        [answer] = await prepared.explain(*values)
        scanned[name] = [step["Relation Name"] for step in steps_of(answer["Plan"]) if step["Node Type"] == "Seq Scan"]
    await connection.close()

    assert {} == {name: tables for name, tables in scanned.items() if tables}


def steps_of(plan):
    """Return a plan's steps, outermost first."""
    return [plan, *(step for inner in plan.get("Plans", []) for step in steps_of(inner))]
