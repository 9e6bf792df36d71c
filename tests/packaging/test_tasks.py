"""The Makefile, the compose file and the tests are consistent."""

import configparser
import re
import subprocess
from pathlib import Path

import yaml
from dotenv import dotenv_values

from support.databases import COMPOSE_URL, URL_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_every_task() -> None:
    """A target without a description would not be found."""
    declared = re.search(r"^\.PHONY: (.*?[^\\])$", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL)
    assert declared is not None
    told = subprocess.run(["make", "-C", ROOT, "-s", "help"], capture_output=True, text=True, check=True).stdout

    assert sorted(declared[1].replace("\\", "").split()) == sorted(re.findall(r"^make (\S+) +\S", told, re.MULTILINE))


def ci_steps() -> dict[str, str]:
    """Return the make targets of `.ci/run` with their arguments."""
    return dict(re.findall(r'^ *step (\S+)(?: "(.*)")?$', (ROOT / ".ci" / "run").read_text(), re.MULTILINE))


def test_ci_starts_every_check() -> None:
    """One that it does not start may fail for as long as nobody tries it."""
    targets = re.findall(
        r"^((?:test|lint|wheel|release-check|docs)[a-z0-9.]*):", (ROOT / "Makefile").read_text(), re.MULTILINE
    )

    # They start and stop what Docker Compose runs, and check nothing.
    assert sorted(ci_steps()) == sorted(set(targets) - {"test.deps.up", "test.deps.down"})


def test_ci_starts_every_environment_of_tox() -> None:
    """Each of them installs something else."""
    tox = configparser.ConfigParser()
    tox.read(ROOT / "tox.ini")
    chosen = re.search(r"-e (\S+) -- ", ci_steps()["test.tox"])

    assert chosen is not None
    assert sorted(re.split(r",\s*", tox["tox"]["env_list"])) == sorted(chosen[1].split(","))


def test_the_documentation_names_no_other_checks() -> None:
    """What it tells to run is what `.ci/run` runs; `tox` and `pytest` are run by the Makefile."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        name
        for page in pages
        for name in re.findall(r"\bmake ((?:test|lint|wheel|release-check|docs)[a-z0-9.]*)\b", page.read_text())
    }
    by_hand = [
        command
        for page in (ROOT / "README.md", ROOT / "docs" / "how-to" / "run-the-tests.md")
        for command in re.findall(r"(?:^ {4}|`)((?:\S+/)?(?:pytest|tox)\b[^`\n]*)", page.read_text(), re.MULTILINE)
    ]

    assert set() == named - {"test.deps.up", "test.deps.down"} - set(ci_steps())
    assert [] == by_hand


def test_the_compose_service_is_the_one_that_tests_look_for() -> None:
    """Port, database, user and password stand in the compose file, in the example and in the code."""
    service = yaml.safe_load((ROOT / "docker-compose-test-deps.yml").read_text())["services"]["bodhi_session_db"]
    settings = service["environment"]
    address, port, target = service["ports"][0].split(":")
    user, password, database = (settings[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))

    assert "5432" == target
    assert COMPOSE_URL == f"postgresql://{user}:{password}@{address}:{port}/{database}"
    assert COMPOSE_URL == dotenv_values(ROOT / ".env.test.example")[URL_VARIABLE]
    assert ["-h", "127.0.0.1", "-U", user, "-d", database] == service["healthcheck"]["test"][2:]


def test_no_test_imports_through_the_checkout() -> None:
    """`tests` is importable only from the checkout's folder, where the wheel under test would be hidden."""
    offence = re.compile(r"^\s*(from|import) tests\b", re.MULTILINE)

    assert [] == [file for file in (ROOT / "tests").rglob("*.py") if offence.search(file.read_text())]
