"""A run on one database uses no other database."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.databases import URL_VARIABLE
from support.postgres import PostgresServer

TESTS = Path(__file__).resolve().parents[1]
# Only the fixtures of tests/conftest.py may start these: their names say which database a test needs.
SERVERS = {"PostgresServer", "ReplicationPair", "PgBouncer"}

EXAMPLES = """
import pytest

@pytest.fixture
def target_url(dialect, request):
    return request.getfixturevalue("postgres_url" if dialect == "sqlite" else "sqlite_url")

@pytest.fixture
def both_urls(sqlite_url, postgres_url):
    return sqlite_url, postgres_url

def test_each(database_url): pass

def test_both(both_urls): pass

def test_sqlite(sqlite_url): pass

def test_postgres(postgres_url): pass

def test_own_server(start_postgres): pass

def test_hidden_in_a_fixture(target_url): pass

@pytest.mark.parametrize("name", ["sqlite_url", "postgres_url", "start_postgres"])
def test_hidden_in_the_test(name, request):
    request.getfixturevalue(name)
"""
ON_SQLITE = {"test_each[sqlite]", "test_sqlite"}
ON_POSTGRES = {"test_each[postgres]", "test_postgres", "test_own_server"}
# What gets a database without naming it fails in every run, not only in one without that database.
HIDDEN = {f"test_hidden_in_the_test[{name}]" for name in ("sqlite_url", "postgres_url", "start_postgres")}


def outcomes(folder: Path, database: str, **environ: str) -> tuple[set[str], set[str]]:
    """Run the examples on *database*; return the passed and the failed ones."""
    (folder / "test_examples.py").write_text(EXAMPLES)
    options = [
        "-c",
        str(TESTS.parent / "setup.cfg"),
        "--rootdir",
        str(folder),
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-rA", "--database", database, folder / "test_examples.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), **environ},
        check=False,
        capture_output=True,
        text=True,
    )
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\S+)", run.stdout, re.MULTILINE)
    assert found, run.stdout + run.stderr
    passed = {name for outcome, name in found if outcome == "PASSED"}
    return passed, {name for _, name in found} - passed


def test_a_run_on_sqlite_alone(tmp_path: Path) -> None:
    """Tests that name PostgreSQL, itself or through a fixture, are left out; no server is needed."""
    passed, failed = outcomes(tmp_path, "sqlite", **{URL_VARIABLE: "postgresql://127.0.0.1:1/nowhere"})

    assert ON_SQLITE == passed
    assert HIDDEN | {"test_hidden_in_a_fixture[sqlite]"} == failed


@pytest.mark.parametrize(
    ("database", "expected"), [("postgres", ON_POSTGRES), ("both", ON_SQLITE | ON_POSTGRES | {"test_both"})]
)
def test_a_run_with_postgres(
    tmp_path: Path, postgres_server: PostgresServer, database: str, expected: set[str]
) -> None:
    """The same for SQLite; tests that name both databases run with both alone."""
    passed, failed = outcomes(tmp_path, database, **{URL_VARIABLE: postgres_server.url()})

    assert expected == passed
    chosen = ["sqlite", "postgres"] if database == "both" else [database]
    assert HIDDEN | {f"test_hidden_in_a_fixture[{dialect}]" for dialect in chosen} == failed


def test_no_test_starts_a_server_past_the_fixtures() -> None:
    """It would do so in a run on SQLite alone too."""
    offences = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in TESTS.rglob("test_*.py")
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "start"
        if isinstance(node.value, ast.Name) and node.value.id in SERVERS
    ]

    assert [] == offences
