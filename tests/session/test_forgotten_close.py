"""A program that fails, or forgets to close, ends: with its traceback, and a warning that says what was forgotten."""

import subprocess
import sys

import pytest

DEADLINE_SECONDS = 120
HEAD = """
import asyncio, sys
from bodhi.session import DefaultSessionService

async def connect():
    return await DefaultSessionService.connect(sys.argv[1], keys=["k" * 32])
"""
FORGETFUL = {
    "an exception after connect": """
async def main():
    service = await connect()
    await service.create({"a": 1})
    raise RuntimeError("the program failed")

asyncio.run(main())
""",
    "an exception, and the service at module level": """
service = DefaultSessionService.from_url(sys.argv[1], keys=["k" * 32])

async def main():
    await service.open()
    await asyncio.gather(*(service.create({"n": n}) for n in range(10)))
    raise RuntimeError("the program failed")

asyncio.run(main())
""",
    "sys.exit in the middle of a write": """
async def main():
    service = await connect()
    task = asyncio.create_task(service.create({"a": 1}))
    await asyncio.sleep(0)
    raise SystemExit("the program failed")

asyncio.run(main())
""",
    "no close": """
async def main():
    service = await connect()
    await service.create({"a": 1})
    print("done")

asyncio.run(main())
""",
    "a loop that is left open": """
loop = asyncio.new_event_loop()
service = loop.run_until_complete(connect())
loop.run_until_complete(service.create({"a": 1}))
print("done")
""",
}


def _run(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", HEAD + script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,  # a program that hangs is stopped, and the test fails
    )


@pytest.mark.parametrize("name", FORGETFUL)
def test_a_program_that_forgets_to_close_ends(name, database_url):
    """On both databases; where it failed the traceback and the status are its own."""
    ended = _run(FORGETFUL[name], database_url)

    failed = "failed" in FORGETFUL[name]
    assert (1 if failed else 0) == ended.returncode, ended.stderr
    assert ("the program failed" in ended.stderr) is failed
    assert 1 == ended.stderr.count("was never closed: use `async with`"), ended.stderr
    assert "kx7-password" not in ended.stderr


CAREFUL = """
async def main():
    async with DefaultSessionService.from_url(sys.argv[1], keys=["k" * 32]) as service:
        await service.create({"a": 1})
    service = await connect()
    await service.close()
    raise RuntimeError("the program failed")

asyncio.run(main())
"""


def test_a_program_that_closes_is_not_warned(database_url):
    """Though it failed afterwards."""
    ended = _run(CAREFUL, database_url)

    assert 1 == ended.returncode
    assert "the program failed" in ended.stderr
    assert "never closed" not in ended.stderr
