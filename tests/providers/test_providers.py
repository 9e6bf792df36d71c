"""People log in through real providers, with the settings that docs/how-to/providers.md gives for each."""

import asyncio
import time

import pytest

from bodhi.oidc.keys import MIN_INTERVAL_SECONDS
from e2e.browsing import expect_login_page
from providers.instance import ANN, BOB, LONG_TOKEN_SECONDS, SHORT_TOKEN_SECONDS
from providers.page import section_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOGGED_OUT = {"auth_status": "logged_out"}


def shown(site, account):
    """Return what bodhi knows of an account: its names, and the role of its groups, where the provider tells them."""
    has_claims = site.provider.has_claims
    return {
        "auth_status": "logged_in",
        "username": site.provider.username(account),
        "first_name": account.given_name if has_claims else None,
        "last_name": account.family_name if has_claims else None,
        "role": "resource_admin" if has_claims and "it" in account.groups else "resource_user",
    }


async def who(person):
    """Return who bodhi says it is, without the subject."""
    found = await person.who()
    found.pop("user_id", None)
    return found


async def until_refreshed(site, person, account, count):
    """Return when tokens were refreshed *count* times and the account is shown.

    A busy machine may ask for userinfo after so short a token has expired; the next refresh then brings it.
    """
    while (found := await who(person)) != shown(site, account) or site.refreshes()[0] < count:
        assert "logged_in" == found["auth_status"]
        await asyncio.sleep(0.1)


async def test_login_gives_a_name_and_a_role(kind, start_site, visitor_at):
    """With the settings of the page alone."""
    site = start_site()
    for account in (ANN, BOB):
        person = await visitor_at(site)
        page = await person.sign_in(account)
        assert shown(site, account) == await who(person)
        await person.screenshot(page, f"{kind.__name__}-{account.username}")
    assert (0, 0) == site.refreshes()


async def test_logout_ends_the_provider_s_session(start_site, visitor_at):
    """Whoever logs in next in this browser is asked who they are."""
    site = start_site()
    person = await visitor_at(site)
    await person.log_out(await person.sign_in(ANN))
    assert LOGGED_OUT == await person.who()

    await person.sign_in(BOB)
    assert shown(site, BOB) == await who(person)


async def test_logout_at_the_provider_reaches_bodhi(kind, start_site, visitor_at):
    """By back-channel logout; a provider without it says so on the page."""
    if not kind.has_backchannel_logout:
        assert "no back-channel logout" in section_of(kind.section)
        return
    site = start_site()
    person = await visitor_at(site)
    page = await person.sign_in(ANN)
    await site.provider.end_session(await person.context.new_page())
    while await person.who() != LOGGED_OUT:
        await asyncio.sleep(0.1)
    await page.reload()
    await expect_login_page(page)


async def test_tokens_are_refreshed(kind, start_site, visitor_at):
    """Twice, so that a rotated refresh token is used as well; name and role stay."""
    if not kind.has_refresh:
        assert "refresh tokens end with the access tokens" in section_of(kind.section)
        return
    site = start_site(token_seconds=SHORT_TOKEN_SECONDS)
    person = await visitor_at(site)
    await person.sign_in(BOB)
    await until_refreshed(site, person, BOB, 2)
    assert 0 == site.refreshes()[1]


async def test_login_is_rechecked_by_a_refresh(start_site, visitor_at):
    """Long before the access token ends, and with it the refresh token of some; each refresh brings a new one."""
    site = start_site(BODHI_AUTH_RECHECK="1")
    person = await visitor_at(site)
    await person.sign_in(BOB)
    await until_refreshed(site, person, BOB, 2)
    assert 0 == site.refreshes()[1]


async def test_provider_comes_back_with_a_new_key(kind, start_site, visitor_at):
    """Sessions go on with tokens that the new key signed, and people who come now log in."""
    site = start_site(token_seconds=SHORT_TOKEN_SECONDS if kind.has_refresh else LONG_TOKEN_SECONDS)
    first = await visitor_at(site)
    await first.sign_in(BOB)
    keys_fetched_by = time.monotonic()
    await until_refreshed(site, first, BOB, 0)
    site.provider.restart_with_new_key()
    await until_refreshed(site, first, BOB, site.refreshes()[0] + kind.has_refresh)
    while time.monotonic() < keys_fetched_by + MIN_INTERVAL_SECONDS:  # bodhi does not fetch keys more often
        await asyncio.sleep(0.1)

    second = await visitor_at(site)
    await second.sign_in(ANN)
    await until_refreshed(site, second, ANN, 0)
    assert 0 == site.refreshes()[1]
