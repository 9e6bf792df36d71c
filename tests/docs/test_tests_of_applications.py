"""The tests that the documentation shows pass as they are printed."""

import asyncio
import re
import sys

import pytest

PAGE = "docs/how-to/add-sessions-to-an-app.md"
URL = "sqlite::memory:"
DEADLINE_SECONDS = 300


@pytest.mark.parametrize(("number", "tests"), [(0, 1), (1, 2)], ids=["anonymous", "logged in"])
async def test_the_tests_of_the_page_pass(pages, number, tests, database_url, tmp_path):
    """On PostgreSQL nothing but the URL differs."""
    section = pages[PAGE].split("\n## Test it\n", 1)[1]
    blocks = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert 1 == blocks[number].count(URL)
    (tmp_path / "test_page.py").write_text(blocks[number].replace(URL, database_url))

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-o", "asyncio_mode=auto"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        output, _ = await process.communicate()

    assert 0 == process.returncode, output.decode()
    assert f"{tests} passed" in output.decode()
