"""Take screenshots in a browser."""

import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from screenshots.demo_server import URL
from screenshots.demo_users import Login
from screenshots.fixed_clock import NOW, ago
from screenshots.png import palette_png

LOGIN = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
_REPRODUCIBLE = {"color_scheme": "light", "reduced_motion": "reduce", "locale": "en-GB", "timezone_id": "UTC"}
# No background network access, allowed for root, and identical text rendering everywhere.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
    "--disable-lcd-text",
]
_DECODE = """async (png) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const bytes = canvas.getImageData(0, 0, image.width, image.height).data;
  let text = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return [image.width, image.height, btoa(text)];
}"""
# Texts that differ between runs, and their replacements.
_REPLACED = {r"/\S*bodhi-screenshots-\w+": "/var/lib/bodhi", r"^bodhiapp_\S+": "bodhiapp_Q7zk4mXw"}
_REPLACE = """(replaced) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    for (const [pattern, instead] of Object.entries(replaced)) {
      texts.currentNode.data = texts.currentNode.data.replace(new RegExp(pattern), instead);
    }
  }
}"""
_SIDE_BY_SIDE = """<!doctype html><style>
  body { display: flex; gap: 20px; margin: 0; padding: 16px; background: #fff }
  img { box-sizing: border-box; width: 400px; border: 1px solid #b8c0c8; border-radius: 10px }
</style>"""


class ScreenshotBrowser:
    """Takes screenshots with *browser* and writes them to *folder*."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder

    async def log_in(self, username: str, login: Login, **options: Any) -> Page:
        """Log in as a user in a new window."""
        headers = {"X-Forwarded-For": login.address}
        page = await self.window(user_agent=login.user_agent, extra_http_headers=headers, **options)
        with ago(hours=login.hours):
            await page.goto(f"{URL}/ui/login")
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_role("button", name=username, exact=True).click()
            await page.get_by_role("heading", name="Hello").wait_for()
        await page.reload()
        return page

    async def window(self, **options: Any) -> Page:
        """Open a window with separate cookies."""
        context = await self._browser.new_context(**{**LOGIN, **_REPRODUCIBLE, **options})
        await context.clock.set_fixed_time(NOW)  # scripts show how long ago something was
        return await context.new_page()

    async def take(self, page: Page, name: str, *, height: int | None = None) -> None:
        """Write a screenshot of the page, or its first *height* pixels."""
        await self._write(await capture(page, height=height), name)

    async def take_row(self, pictures: list[bytes], name: str) -> None:
        """Write several pictures side by side."""
        sources = [f'<img src="data:image/png;base64,{base64.b64encode(picture).decode()}">' for picture in pictures]
        page = await self.window(viewport={"width": 420 * len(pictures) + 12, "height": 100})
        await page.set_content(_SIDE_BY_SIDE + "".join(sources))
        await page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
        await self.take(page, name)

    async def _write(self, picture: bytes, name: str) -> None:
        page = await self._browser.new_page()
        width, height, pixels = await page.evaluate(_DECODE, base64.b64encode(picture).decode())
        await page.close()
        file = self._folder / f"{name}.png"
        file.write_bytes(palette_png(width, height, base64.b64decode(pixels)))
        print(f"{file.name}: {width} x {height}, {file.stat().st_size / 1000:.0f} kB")


async def capture(page: Page, *, height: int | None = None) -> bytes:
    """Return a screenshot without hover and focus."""
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement?.blur()")
    await page.evaluate(_REPLACE, _REPLACED)
    if height is None:
        return await page.screenshot(full_page=True)
    width = await page.evaluate("innerWidth")
    return await page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})


@asynccontextmanager
async def open_browser(folder: Path) -> AsyncIterator[ScreenshotBrowser]:
    """Open a browser for screenshots."""
    program = os.environ.get("BODHI_TEST_CHROMIUM") or shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield ScreenshotBrowser(browser, folder)
        await browser.close()
