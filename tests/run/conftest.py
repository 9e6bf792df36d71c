"""The server as separate processes, and in this process with additional routes."""

import socket

import pytest

from bodhi.run.connections import DEFAULT_LIMITS, Site
from bodhi.run.runner import Runner
from bodhi.server.app import create_app
from bodhi.settings import load_settings
from support.server_process import environ as environ  # noqa: PLC0414 - fixtures, which a conftest has by importing them
from support.server_process import launch as launch  # noqa: PLC0414
from support.server_process import serve as serve  # noqa: PLC0414


@pytest.fixture
def make_settings(tmp_path):
    """Creates settings from *environ* only."""
    return lambda **environ: load_settings(environ={"BODHI_HOME": str(tmp_path / "bodhi"), **environ}, cwd=tmp_path)


@pytest.fixture
async def run_app(make_settings):
    """Runs the application in this process with additional *routes*; returns the runner and the port."""
    runners = []

    async def run_app(*routes, grace_seconds=10.0, limits=DEFAULT_LIMITS, bound=None):
        app = create_app(make_settings())
        app.add_routes(routes)
        runner = Runner(app, limits, grace_seconds=grace_seconds)
        runners.append(runner)
        await runner.setup()
        bound = bound or socket.socket()
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        await Site(runner, bound).start()
        return runner, bound.getsockname()[1]

    yield run_app
    for runner in runners:
        await runner.cleanup()
