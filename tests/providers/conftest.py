"""A real provider, bodhi with the settings of its section, and people with browsers."""

import re
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from e2e.browsing import Person, expect_login_page
from e2e.conftest import browser, databases  # noqa: F401 - fixtures
from e2e.running import Bodhi
from providers.better_auth import BetterAuth
from providers.canaille_server import Canaille
from providers.django_oauth_toolkit import DjangoOAuthToolkit
from providers.instance import LONG_TOKEN_SECONDS, Account, RealProvider, Registration
from providers.lemonldap_ng import LemonLDAP
from providers.oidc_provider import OidcProvider, OidcProviderWithClaims
from providers.page import ROOT, settings_of
from support.ports import free_port

PROVIDERS: tuple[type[RealProvider], ...] = (
    DjangoOAuthToolkit,
    Canaille,
    LemonLDAP,
    BetterAuth,
    OidcProvider,
    OidcProviderWithClaims,
)
SCREENSHOTS = ROOT / "build" / "providers" / "screenshots"
_PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Site:
    """bodhi and its provider."""

    bodhi: Bodhi
    provider: RealProvider
    metrics_url: str

    def refreshes(self) -> tuple[float, float]:
        """Return how many refreshes were requested from the provider, and how many of them failed."""
        with urllib.request.urlopen(self.metrics_url, timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return _sum(lines, "bodhi_refreshes_total"), _sum(lines, "bodhi_refresh_failures_total")


def _sum(lines: list[str], name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))


# One process runs all tests of a provider, which is started there.
@pytest.fixture(
    scope="session",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind.__name__), id=kind.__name__) for kind in PROVIDERS],
)
def kind(request: pytest.FixtureRequest) -> type[RealProvider]:
    """The provider under test; each test runs once with each of them."""
    chosen: type[RealProvider] = request.param
    return chosen


@pytest.fixture(scope="session")
def start_provider(
    kind: type[RealProvider], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], RealProvider]]:
    """Starts the provider, once for all tests whose access tokens live equally long."""
    with ExitStack() as stack:

        @cache
        def start_provider(token_seconds: int) -> RealProvider:
            client = Registration(f"http://localhost:{free_port()}")
            folder = tmp_path_factory.mktemp(kind.__name__)
            return stack.enter_context(kind(folder, client, token_seconds=token_seconds))

        yield start_provider


@pytest.fixture
def start_site(
    start_provider: Callable[[int], RealProvider],
    databases: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> Iterator[Callable[..., Site]]:
    """Starts bodhi with the settings of its provider's section."""
    started: list[Bodhi] = []

    def start_site(*, token_seconds: int = LONG_TOKEN_SECONDS, **environ: str) -> Site:
        provider, metrics_port = start_provider(token_seconds), free_port()
        client = provider.client
        settings = {
            "BODHI_PORT": client.base_url.rpartition(":")[2],
            "BODHI_METRICS_PORT": str(metrics_port),
            "BODHI_AUTH_TIMEOUT": "60",  # the machine may be busy
            **databases,
            **settings_of(
                provider.section,
                issuer=provider.issuer,
                client_id=client.client_id,
                client_secret=client.client_secret,
            ),
            **environ,
        }
        started.append(Bodhi(tmp_path, **settings))
        return Site(started[-1], provider, f"http://127.0.0.1:{metrics_port}/metrics")

    yield start_site
    for bodhi in started:
        bodhi.stop()
        print(bodhi.log)  # pytest shows it where a test failed
        assert not re.search(r"Traceback|ERROR|\beyJ", bodhi.log), bodhi.log
        assert Registration.client_secret not in bodhi.log


class Visitor(Person):
    """A person with a browser, who has an account at the provider."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        super().__init__(context, site.bodhi.url, SCREENSHOTS)
        self._provider = site.provider

    async def sign_in(self, account: Account) -> Page:
        """Log in through the provider's pages, in a new tab."""
        page = await self.open("/ui/login")
        await page.get_by_role("button", name="Sign in").click()
        await self._provider.sign_in(page, account)
        await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        return page

    async def log_out(self, page: Page) -> None:
        """Log out at bodhi, and so at the provider, and come back."""
        await page.get_by_role("button", name="Sign out").click()
        await self._provider.sign_out(page)
        await expect_login_page(page)


@pytest_asyncio.fixture(loop_scope="session")
async def visitor_at(browser: Browser) -> AsyncIterator[Callable[[Site], Awaitable[Visitor]]]:  # noqa: F811
    """Creates people with separate cookies; an error on a page of bodhi fails the test."""
    people: list[Visitor] = []

    async def visitor_at(site: Site) -> Visitor:
        context = await browser.new_context()
        context.set_default_timeout(_PATIENCE_MS)
        people.append(Visitor(context, site))
        return people[-1]

    yield visitor_at
    for person in people:
        await person.context.close()
    assert [] == [problem for person in people for problem in person.problems if problem.startswith(person.url)]
