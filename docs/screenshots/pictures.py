"""The screenshots to take."""

from playwright.async_api import Page

from screenshots.browser import PHONE, ScreenshotBrowser, capture
from screenshots.demo_server import URL
from screenshots.demo_users import ANDROID, FIREFOX, Login

_LOGIN_SIZE = {"viewport": {"width": 400, "height": 620}, "is_mobile": True}


async def take_login(browser: ScreenshotBrowser) -> None:
    """Take the login as three pages side by side."""
    page = await browser.window(**_LOGIN_SIZE)
    await page.goto(f"{URL}/ui/login")
    pages = [await capture(page, height=620)]
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("button", name="manager").wait_for()
    pages.append(await capture(page, height=620))
    await page.get_by_role("button", name="manager").click()
    await page.get_by_role("heading", name="Hello").wait_for()
    pages.append(await capture(page, height=620))
    await browser.take_row(pages, "login")


async def take_pages(browser: ScreenshotBrowser) -> None:
    """Take the pages of logged-in users, on a desktop and on a phone."""
    desk = await browser.log_in("ada", Login(FIREFOX, "203.0.113.12", hours=1.4))
    await browser.take(desk, "home")
    await take_sessions(browser, desk, "sessions")
    await desk.get_by_role("link", name="API tokens", exact=True).click()
    await desk.get_by_role("heading", name="API tokens", level=1).wait_for()
    await browser.take(desk, "tokens")
    await take_administration(browser, desk)
    phone = await browser.log_in("alan", Login(ANDROID, "198.51.100.140", hours=0.9), **PHONE)
    await take_sessions(browser, phone, "sessions-phone")


async def take_sessions(browser: ScreenshotBrowser, page: Page, name: str) -> None:
    """Take the list of sessions, with one revocation form open."""
    await page.get_by_role("link", name="Sessions", exact=True).click()
    await page.get_by_role("heading", name="Your sessions").wait_for()
    await page.get_by_role("article").nth(1).get_by_text("End", exact=True).click()
    await browser.take(page, name)


async def take_administration(browser: ScreenshotBrowser, page: Page) -> None:
    """Take the administration pages."""
    await page.get_by_role("link", name="Admin", exact=True).click()
    await page.get_by_role("heading", name="Users", level=1).wait_for()
    await browser.take(page, "users")
    await page.get_by_role("link", name="alan").click()
    await page.get_by_role("heading", name="alan", level=1).wait_for()
    await page.get_by_text("End all sessions", exact=True).click()
    await browser.take(page, "user")
    for name, height in (("All sessions", 900), ("Access requests", None), ("Settings", 900), ("Activity", None)):
        await page.get_by_role("navigation", name="Administration").get_by_role("link", name=name).click()
        await page.get_by_role("heading", name=name, level=1).wait_for()
        await browser.take(page, name.lower().replace(" ", "-"), height=height)
