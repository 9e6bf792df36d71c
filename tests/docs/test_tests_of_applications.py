"""The tests that the documentation shows pass as they are printed."""

import asyncio
import re
import sys

PAGE = "docs/how-to/add-sessions-to-an-app.md"
URL = "sqlite::memory:"
DEADLINE_SECONDS = 300


async def test_the_tests_of_the_page_pass(pages, database_url, tmp_path):
    """Of an anonymous and of a signed-in user; on PostgreSQL nothing but the URL differs."""
    section = pages[PAGE].split("\n## Test it\n", 1)[1]
    anonymous, signed_in, *_ = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for name, block in {"anonymous": anonymous, "signed_in": signed_in}.items():
        assert 1 == block.count(URL)
        (tmp_path / f"test_{name}.py").write_text(block.replace(URL, database_url))

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
    assert f"{1 + 2} passed" in output.decode()
