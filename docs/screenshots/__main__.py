"""``python -m screenshots``: writes docs/images."""

import asyncio
from pathlib import Path

from screenshots.pictures import take_login, take_pages
from screenshots.browser import open_camera
from screenshots.demo_server import open_house

IMAGES = Path(__file__).resolve().parents[1] / "images"


async def main() -> None:
    """Opens servers, and a browser that goes through their pages."""
    async with open_camera(IMAGES) as camera:
        async with open_house():
            await take_login(camera)
        async with open_house() as house:
            await house.fill()
            await house.work()
            await take_pages(camera)


asyncio.run(main())
