"""better-auth from npm, with its OAuth provider."""

import json
from collections.abc import Mapping

from playwright.async_api import Page

from providers.instance import NODE, Account, RealProvider, told_accounts, told_client


class BetterAuth(RealProvider):
    """A project with people who log in by address and password, and groups in a claim named by a URL."""

    section = "better-auth"
    path = "/api/auth"
    has_backchannel_logout = True
    needs = NODE / "node_modules" / "better-auth"

    @property
    def command(self) -> list[str]:
        """Return the command that serves the project."""
        return ["node", str(NODE / "better_auth.js")]

    def configure(self, key: str) -> Mapping[str, str]:
        """Return the environment of the command; better-auth makes its keys itself, new ones with each start here."""
        return {
            "PROVIDER_PORT": str(self.port),
            "PROVIDER_FOLDER": str(self.folder),
            "PROVIDER_TOKEN_SECONDS": str(self.token_seconds),
            "PROVIDER_CLIENT": json.dumps(told_client(self.client)),
            "PROVIDER_ACCOUNTS": json.dumps(told_accounts()),
        }

    def username(self, account: Account) -> str:
        """Return the address: there are no user names."""
        return account.email

    async def sign_in(self, page: Page, account: Account) -> None:
        """Fill in the login form of the project."""
        await page.get_by_label("Email").fill(account.email)
        await page.get_by_label("Password").fill(account.password)
        await page.get_by_role("button", name="Log in").click()

    async def end_session(self, page: Page) -> None:
        """Log out of the project itself."""
        headers = {"Origin": self.url}
        answer = await page.context.request.post(f"{self.issuer}/sign-out", headers=headers, data={})
        assert answer.ok, await answer.text()
