"""django-oauth-toolkit from PyPI, in an environment of its own."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from playwright.async_api import Page

from providers.instance import ACCOUNTS, ENVIRONMENTS, ROOT, Account, RealProvider
from providers.page import code_of


class DjangoOAuthToolkit(RealProvider):
    """A Django project that serves OpenID Connect below ``/o``."""

    section = "django-oauth-toolkit"
    path = "/o"

    @property
    def command(self) -> list[str]:
        """Return the command that serves the project."""
        python = ENVIRONMENTS / "django" / "bin" / "python"
        return [str(python), str(ROOT / "tests" / "providers" / "django" / "server.py")]

    def configure(self, key: str) -> Mapping[str, str]:
        """Write the validator that the page shows."""
        (self.folder / "validator.py").write_text(code_of(self.section, "python"))
        client = {
            "client_id": self.client.client_id,
            "client_secret": self.client.client_secret,
            "redirect_uri": self.client.redirect_uri,
            "post_logout_redirect_uri": self.client.post_logout_redirect_uri,
        }
        return {
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": str(self.folder),
            "PROVIDER_PORT": str(self.port),
            "PROVIDER_KEY": key,
            "PROVIDER_TOKEN_SECONDS": str(self.token_seconds),
            "PROVIDER_DATABASE": str(self.folder / "provider.sqlite"),
            "PROVIDER_CLIENT": json.dumps(client),
            "PROVIDER_ACCOUNTS": json.dumps([{**asdict(account), "email": account.email} for account in ACCOUNTS]),
        }

    async def sign_in(self, page: Page, account: Account) -> None:
        """Fill in Django's login form."""
        await page.get_by_label("Username").fill(account.username)
        await page.get_by_label("Password").fill(account.password)
        await page.get_by_role("button", name="Log in").click()
