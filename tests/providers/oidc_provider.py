"""oidc-provider from npm: as it comes, and with names and groups in userinfo."""

import json
from collections.abc import Mapping

from playwright.async_api import Page

from providers.instance import NODE, Account, RealProvider, told_accounts, told_client


class OidcProvider(RealProvider):
    """What comes without any configuration but the client: a subject."""

    section = "oidc-provider"
    has_backchannel_logout = True
    needs = NODE / "node_modules" / "oidc-provider"
    has_claims = False

    @property
    def command(self) -> list[str]:
        """Return the command that serves the provider."""
        return ["node", str(NODE / "oidc_provider.js")]

    def configure(self, key: str) -> Mapping[str, str]:
        """Return the environment of the command."""
        return {
            "PROVIDER_PORT": str(self.port),
            "PROVIDER_FOLDER": str(self.folder),
            "PROVIDER_KEY": key,
            "PROVIDER_TOKEN_SECONDS": str(self.token_seconds),
            "PROVIDER_CLIENT": json.dumps(told_client(self.client)),
        }

    async def sign_in(self, page: Page, account: Account) -> None:
        """Fill in the pages that oidc-provider shows where a project has none of its own."""
        await page.get_by_placeholder("Enter any login").fill(account.username)
        await page.get_by_placeholder("and password").fill(account.password)
        await page.get_by_role("button", name="Sign-in").click()
        await page.get_by_role("button", name="Continue").click()

    async def sign_out(self, page: Page) -> None:
        """Confirm the logout."""
        await page.get_by_role("button", name="Yes, sign me out").click()

    async def end_session(self, page: Page) -> None:
        """Log out on the provider's own page."""
        await page.goto(f"{self.url}/session/end")
        await self.sign_out(page)


class OidcProviderWithClaims(OidcProvider):
    """Names and groups, in userinfo alone, as OpenID Connect has it for the code flow."""

    section = "oidc-provider with claims"
    has_claims = True

    def configure(self, key: str) -> Mapping[str, str]:
        """Return the environment of the command."""
        return {**super().configure(key), "PROVIDER_ACCOUNTS": json.dumps(told_accounts())}
