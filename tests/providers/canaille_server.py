"""Canaille from PyPI, in an environment of its own."""

import json
from collections.abc import Mapping

from playwright.async_api import Page

from providers.instance import ENVIRONMENTS, Account, RealProvider, told_accounts, told_client
from providers.page import ROOT


class Canaille(RealProvider):
    """A directory of people with single sign-on."""

    section = "Canaille"
    has_refresh = False
    needs = ENVIRONMENTS / "canaille" / "bin" / "canaille"

    @property
    def command(self) -> list[str]:
        """Return the command that serves Canaille."""
        return [str(self.needs.with_name("python")), str(ROOT / "tests" / "providers" / "canaille" / "server.py")]

    def configure(self, key: str) -> Mapping[str, str]:
        """Return the environment of the command."""
        return {
            "PROVIDER_PORT": str(self.port),
            "PROVIDER_KEY": key,
            "PROVIDER_TOKEN_SECONDS": str(self.token_seconds),
            "PROVIDER_DATABASE": str(self.folder / "canaille.sqlite"),
            "PROVIDER_CLIENT": json.dumps(told_client(self.client)),
            "PROVIDER_ACCOUNTS": json.dumps(told_accounts()),
        }

    async def sign_in(self, page: Page, account: Account) -> None:
        """Fill in the pages that ask for the name and for the password."""
        await page.locator("#login").fill(account.username)
        await page.get_by_role("button", name="Continue").click()
        await page.locator("#password").fill(account.password)
        await page.get_by_role("button", name="Sign in").click()
