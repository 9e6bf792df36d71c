"""A service that is open as the process forks, in a server that loads the application before, stays the parent's."""

import subprocess
import sys

DEADLINE_SECONDS = 120
HEAD = """
import asyncio, os, sys, traceback
from aiohttp import web
from bodhi.session import DefaultSessionService, SessionUnavailable, setup
from bodhi.errors import ConfigurationError

service = DefaultSessionService.from_url(sys.argv[1], keys=["k" * 32], limit_seconds=60)
runner = asyncio.Runner()


def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work())
            status = 0
        except BaseException:
            traceback.print_exc()
            status = 1
        os._exit(status)
    return os.waitpid(child, 0)[1]


async def refused(awaitable, error, words):
    try:
        await awaitable
    except error as found:
        assert words in f"{found} {found.__cause__}", found
    else:
        raise AssertionError("it was served")


async def begin():
    await service.open()
    return [(await service.create({"n": n}))[0] for n in range(20)]


async def go_on():
    found = await asyncio.gather(*(service.load(one) for one in ids))
    assert [{"n": n} for n in range(20)] == [one.data for one in found]
    await service.save(found[0], {"saved": 1})
    await service.close()
    async with service:  # the parent opens it as often as it likes
        assert {"saved": 1} == (await service.load(ids[0])).data
"""
END = """
runner.close()
print("done")
"""
IN_CHILD = {
    "use": """
async def work():
    assert not service.is_open
    await refused(service.load(ids[0]), SessionUnavailable, "was not opened")
    await refused(service.create({"a": 1}), SessionUnavailable, "was not opened")
""",
    "close": """
async def work():
    await service.close()
    await service._database.__aexit__(None, None, None)
""",
    "open again": """
async def work():
    await refused(service.open(), ConfigurationError, "after the fork")
    await service.close()
""",
    "serve": """
async def work():
    app = web.Application()
    setup(app, service)
    await refused(web.AppRunner(app).setup(), ConfigurationError, "after the fork")
""",
    "a service of its own": """
async def work():
    own = DefaultSessionService.from_url(sys.argv[1], keys=["k" * 32])
    if sys.argv[1].startswith("sqlite:"):
        await refused(own.open(), ConfigurationError, "after the fork")
    else:
        async with own:
            assert {"n": 0} == (await own.load(ids[0])).data
""",
    "nothing": """
async def work():
    pass
""",
}


def _run(url, *parts):
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", "".join(parts), url]
    return subprocess.run(program, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)


def test_an_open_service_is_left_to_the_parent(database_url):
    """Whatever the children do with it; one after another, as the parent opens it anew."""
    forks = [
        f"{work}ids = runner.run(begin())\n"
        f"assert ({name!r}, 0, 0) == ({name!r}, in_child(work), in_child(work))\nrunner.run(go_on())\n"
        for name, work in IN_CHILD.items()
    ]

    ended = _run(database_url, HEAD, *forks, END)

    assert (0, "done\n", "") == (ended.returncode, ended.stdout, ended.stderr)


def test_a_service_that_is_opened_after_the_fork_serves(database_url):
    """Each process has its own, also where the parent closed it before."""
    work = """
async def work():
    async with service:
        assert {"n": 0} == (await service.load(ids[0])).data

runner.run(service.close())
"""
    ended = _run(
        database_url,
        HEAD,
        "ids = runner.run(begin())\n",
        work,
        "assert [0, 0] == [in_child(work), in_child(work)]\nprint('done')\n",
    )

    assert (0, "done\n", "") == (ended.returncode, ended.stdout, ended.stderr)
