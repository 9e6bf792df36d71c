"""User actions in a browser."""

from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Page, expect

FIRST_NAMES = {"admin": "Ada", "manager": "Grace", "power": "Alan", "user": "Barbara", "nobody": "Noor"}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
SMALL_PHONE = {**PHONE, "viewport": {"width": 360, "height": 740}}


class Person:
    """A user with a browser context; *problems* are the console errors."""

    def __init__(self, context: BrowserContext, url: str, screenshots: Path, *, has_scripts: bool = True) -> None:
        self.context = context
        self.url = url
        self._has_scripts = has_scripts
        self.problems: list[str] = []
        self._screenshots = screenshots
        context.on("console", self._note)
        context.on("weberror", lambda error: self.problems.append(str(error.error)))

    async def open(self, path: str = "/ui") -> Page:
        """Open a page of bodhi in a new tab."""
        page = await self.context.new_page()
        await page.goto(self.url + path)
        return page

    async def begin_login(self) -> Page:
        """Start a login in a new tab, up to the realm."""
        page = await self.open("/ui/login")
        await page.get_by_role("button", name="Sign in").click()
        await expect_realm_asks(page)
        return page

    async def log_in(self, username: str) -> Page:
        """Log in as *username* in a new tab."""
        page = await self.begin_login()
        await sign_in(page, username)
        if not self._has_scripts:
            await page.get_by_role("button", name="Continue").click()
        await self.expect_home(page, username)
        return page

    async def expect_home(self, page: Page, username: str) -> None:
        """Check that this is the home page of *username*."""
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"Hello, {FIRST_NAMES[username]}")

    async def who(self) -> dict[str, Any]:
        """Return the user from bodhi's API, with this browser's cookies."""
        answer = await self.context.request.get(f"{self.url}/bodhi/v1/user")
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found

    async def cookie(self) -> dict[str, Any] | None:
        """Return the session cookie with its attributes."""
        cookies = await self.context.cookies(self.url)
        return next((dict(cookie) for cookie in cookies if cookie["name"] == "bodhiapp_session_id"), None)

    async def screenshot(self, page: Page, name: str) -> None:
        """Save a screenshot of the page.

        Expect what it shows first: a browser on its way to another page has none to take a picture of.
        """
        await page.screenshot(path=self._screenshots / f"{name}.png", full_page=True)

    def expect_problems(self, *parts: str) -> None:
        """Check that the console errors contain exactly these texts."""
        assert len(parts) == len(self.problems), self.problems
        assert all(part in problem for part, problem in zip(parts, self.problems, strict=True)), self.problems
        self.problems.clear()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(f"{message.location['url']}: {message.text}")


async def sign_in(page: Page, username: str) -> None:
    """Fill in the realm's login form."""
    await page.get_by_label("User name").fill(username)
    await page.get_by_role("button", name="Sign in").click()


async def expect_login_page(page: Page) -> None:
    """Check that this is the login page."""
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to bodhi")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def expect_realm_asks(page: Page) -> None:
    """Check that the realm shows its login form."""
    await expect(page.get_by_label("User name")).to_be_visible()
