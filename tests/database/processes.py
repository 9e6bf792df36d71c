"""Run Python processes that start their work simultaneously."""

import asyncio
import sys
from contextlib import AsyncExitStack

DEADLINE_SECONDS = 300


async def outputs_of(count: int, script: str, *arguments: str) -> list[str]:
    """Run *script* in *count* processes that synchronize at ``ready()``; return their outputs.

    A process that fails fails the test with what it said.
    """
    head = "import sys\ndef ready():\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE_SECONDS):
        processes = [await _started(stack, head + script, *arguments) for _ in range(count)]
        for process in processes:
            assert process.stdout is not None
            assert b"ready\n" == await process.stdout.readline(), "the process failed before it was ready"
        answers = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
        assert [0] * count == [process.returncode for process in processes], answers
        return [output.decode() for output, _ in answers]


async def _started(stack: AsyncExitStack, script: str, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )

    async def end() -> None:
        if process.returncode is None:
            process.kill()
            await process.wait()

    stack.push_async_callback(end)
    return process
