"""``python -m screenshots``: write docs/images."""

import asyncio
from pathlib import Path

from screenshots.browser import open_browser
from screenshots.demo_server import run_demo_server
from screenshots.pictures import take_login, take_pages

IMAGES = Path(__file__).resolve().parents[1] / "images"


async def main() -> None:
    """Start demo servers and take all screenshots."""
    async with open_browser(IMAGES) as browser:
        async with run_demo_server():
            await take_login(browser)
        async with run_demo_server() as server:
            await server.add_users()
            await server.add_activity()
            await take_pages(browser)


asyncio.run(main())
