"""Which pictures there are."""

from playwright.async_api import Page

from screenshots.browser import PHONE, Camera, picture_of
from screenshots.demo_server import URL
from screenshots.demo_users import ANDROID, FIREFOX, Login

_LOGIN_SIZE = {"viewport": {"width": 400, "height": 620}, "is_mobile": True}


async def take_login(camera: Camera) -> None:
    """The way of a newcomer, as three pages beside each other."""
    page = await camera.window(**_LOGIN_SIZE)
    await page.goto(f"{URL}/ui/login")
    pages = [await picture_of(page, height=620)]
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("button", name="manager").wait_for()
    pages.append(await picture_of(page, height=620))
    await page.get_by_role("button", name="manager").click()
    await page.get_by_role("heading", name="Hello").wait_for()
    pages.append(await picture_of(page, height=620))
    await camera.take_row(pages, "login")


async def take_pages(camera: Camera) -> None:
    """What people find who are logged in, on a desk and on a phone."""
    desk = await camera.log_in("ada", Login(FIREFOX, "203.0.113.12", hours=1.4))
    await camera.take(desk, "home")
    await take_sessions(camera, desk, "sessions")
    await desk.get_by_role("link", name="Tokens", exact=True).click()
    await desk.get_by_role("heading", name="Your API tokens").wait_for()
    await camera.take(desk, "tokens")
    await take_administration(camera, desk)
    phone = await camera.log_in("alan", Login(ANDROID, "198.51.100.140", hours=0.9), **PHONE)
    await take_sessions(camera, phone, "sessions-phone")


async def take_sessions(camera: Camera, page: Page, name: str) -> None:
    """Where somebody is logged in, with one session about to be ended."""
    await page.get_by_role("link", name="Sessions", exact=True).click()
    await page.get_by_role("heading", name="Your sessions").wait_for()
    await page.get_by_role("article").nth(1).get_by_text("End", exact=True).click()
    await camera.take(page, name)


async def take_administration(camera: Camera, page: Page) -> None:
    """What managers and administrators find behind the bar's last entry."""
    await page.get_by_role("link", name="Admin", exact=True).click()
    await page.get_by_role("heading", name="People", level=1).wait_for()
    await camera.take(page, "people")
    await page.get_by_role("link", name="alan").click()
    await page.get_by_role("heading", name="alan", level=1).wait_for()
    await page.get_by_text("End all", exact=True).click()
    await camera.take(page, "person")
    for name, height in (("Access requests", None), ("Settings", 900), ("Activity", None)):
        await page.get_by_role("navigation", name="Administration").get_by_role("link", name=name).click()
        await page.get_by_role("heading", name=name, level=1).wait_for()
        await camera.take(page, name.lower().replace(" ", "-"), height=height)
