"""Another node of the cluster: a process of its own that does with a database what the lines on its stdin say."""

import asyncio
import json
import os
import sys
import time
from typing import Any

if hours := float(os.environ.get("CLOCK_IS_AHEAD_HOURS", "0")):
    # Before anything imports them: this process believes in another time.
    real_time, real_time_ns = time.time, time.time_ns
    time.time = lambda: real_time() + hours * 3600
    time.time_ns = lambda: real_time_ns() + round(hours * 3600e9)

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bodhi.session import DefaultSessionService, setup
from pages import PAGES, cookie_of  # type: ignore[import-not-found]


async def obey(command: dict[str, Any]) -> Any:
    """The outcome of one request over HTTP, or of one call of the service."""
    now_ms = command["now_ms"]
    service = DefaultSessionService.from_url(command["url"], clock=lambda: now_ms, **command["options"])
    async with service:
        if "call" in command:
            return await getattr(service, command["call"])(*command["arguments"])
        app = web.Application()
        setup(app, service)
        app.add_routes(PAGES)
        async with TestClient(TestServer(app)) as client:
            headers = {"Cookie": f"{service.cookie.full_name}={command['cookie']}"} if command["cookie"] else {}
            response = await client.request(command["method"], command["path"], json=command["json"], headers=headers)
            return {"status": response.status, "cookie": cookie_of(response), "text": await response.text()}


def main() -> None:
    """Answers each line of JSON with one, until stdin ends."""
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(json.dumps(runner.run(obey(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
