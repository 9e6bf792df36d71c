"""``python -m screenshots``: writes docs/images."""

import asyncio
import tempfile
from pathlib import Path

from screenshots.album import take_all
from screenshots.camera import open_camera
from screenshots.house import open_house

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


async def main() -> None:
    """Opens the server, and a browser that goes through its pages."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_house(Path(folder)) as house, open_camera(IMAGES) as camera:
            await take_all(house, camera)


asyncio.run(main())
