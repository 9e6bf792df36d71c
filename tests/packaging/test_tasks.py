"""The Makefile, the compose file and the tests' own rules agree with each other."""

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
