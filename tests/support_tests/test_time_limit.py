"""A test that waits for ever fails, and says what it waited for; the others go on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
EXAMPLES = """
import asyncio
import time

async def never_comes():
    await asyncio.Event().wait()

async def test_a_task():
    await asyncio.create_task(never_comes())

def test_no_loop():
    time.sleep(600)

def test_the_next(): pass
"""


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
def test_a_test_that_waits_for_ever_fails(tmp_path: Path, event_loop: str) -> None:
    """With its name, and with the line at which each task is."""
    (tmp_path / "test_examples.py").write_text(EXAMPLES)
    options = ["-c", str(TESTS.parent / "setup.cfg"), "--rootdir", str(tmp_path), "-p", "conftest"]
    limits = ["--time-limit", "1", "--database", "sqlite", "--event-loop", event_loop, "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *limits, "-rA", tmp_path / "test_examples.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )

    outcomes = re.findall(r"^(FAILED|PASSED|ERROR) \S+::(test_\w+)", run.stdout, re.MULTILINE)
    assert [("FAILED", "test_a_task"), ("FAILED", "test_no_loop"), ("PASSED", "test_the_next")] == sorted(outcomes)
    assert re.search(r"::test_a_task\S* took longer than 1 s; its tasks:\n", run.stdout), run.stdout
    assert "    await asyncio.Event().wait()\n" in run.stdout.partition("its tasks:")[2]
    assert "test_no_loop took longer than 1 s" in run.stdout
