"""django-oauth-toolkit from PyPI, in an environment of its own."""

import json
from collections.abc import Mapping

from playwright.async_api import Page

from providers.instance import ENVIRONMENTS, Account, RealProvider, told_accounts, told_client
from providers.page import ROOT, code_of


class DjangoOAuthToolkit(RealProvider):
    """A Django project that serves OpenID Connect below ``/o``."""

    section = "django-oauth-toolkit"
    path = "/o"
    needs = ENVIRONMENTS / "django" / "bin" / "python"

    @property
    def command(self) -> list[str]:
        """Return the command that serves the project."""
        return [str(self.needs), str(ROOT / "tests" / "providers" / "django" / "server.py")]

    def configure(self, key: str) -> Mapping[str, str]:
        """Write the validator that the page shows."""
        (self.folder / "validator.py").write_text(code_of(self.section, "python"))
        return {
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": str(self.folder),
            "PROVIDER_PORT": str(self.port),
            "PROVIDER_KEY": key,
            "PROVIDER_TOKEN_SECONDS": str(self.token_seconds),
            "PROVIDER_DATABASE": str(self.folder / "provider.sqlite"),
            "PROVIDER_CLIENT": json.dumps(told_client(self.client)),
            "PROVIDER_ACCOUNTS": json.dumps(told_accounts()),
        }

    async def sign_in(self, page: Page, account: Account) -> None:
        """Fill in Django's login form."""
        await page.get_by_label("Username").fill(account.username)
        await page.get_by_label("Password").fill(account.password)
        await page.get_by_role("button", name="Log in").click()
