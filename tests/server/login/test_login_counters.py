"""Metrics of logins."""

import logging

import pytest

from bodhi.server.activity.service import ACTIVITY, read_totals
from bodhi.server.application_metrics import METRICS
from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of

PROTECTED = "/bodhi/v1/tokens"


@pytest.fixture
def counts(server):
    """Return the current value of a metric, or its values by label."""

    def value_of(metric):
        snapshot = server.app[METRICS].snapshot().counts
        if (metric,) in snapshot:
            return snapshot[metric,]
        return {labels[1]: value for labels, value in snapshot.items() if labels[0] == metric}

    return value_of


@pytest.fixture
def endings(caplog):
    """Return reason, user and acting user of ended sessions."""
    caplog.set_level(logging.INFO, logger="bodhi.session.endings")

    def endings():
        fields = [record.fields for record in caplog.records if record.name == "bodhi.session.endings"]
        return [(one["reason"], one["ended"], one["user_id"], one["by"]) for one in fields]

    return endings


async def wear_out(server, browser, provider):
    """Let the browser's access token expire."""
    expired = provider.issue_access_token("power", expires_in=-5)
    service = server.app[SESSIONS]
    await service.atomically(digest_of(browser.session_cookie), lambda data, _: data.update(access_token=expired))


async def test_logins_and_refusals_are_counted(browser, counts, provider, server):
    """By the code of the error, which every page about errors has."""
    assert 400 <= (await browser.finish({"code": "made-up", "state": "made-up"})).status
    assert 401 == (await browser.get(PROTECTED)).status
    await browser.log_in(provider)

    assert 1 == counts("bodhi_logins_total")
    assert {"login_error-session_info_not_found": 1} == counts("bodhi_login_refusals_total")
    assert {"login_error-session_info_not_found": 1, "auth_error-invalid_access": 1} == counts("bodhi_refusals_total")
    assert 1 == read_totals(server.app[METRICS])["logins"]


async def test_refreshes_and_their_failures_are_counted(browser, counts, provider, server, endings):
    """The provider that is away, and the one that has ended the login: then the session ends, too."""
    who = await browser.log_in(provider, "power")
    await wear_out(server, browser, provider)
    assert 200 == (await browser.get(PROTECTED)).status
    assert (1, {}) == (counts("bodhi_refreshes_total"), counts("bodhi_refresh_failures_total"))

    await wear_out(server, browser, provider)
    await provider.end_sessions("power")
    assert 401 == (await browser.get(PROTECTED)).status

    assert 2 == counts("bodhi_refreshes_total")
    assert {"invalid_grant": 1} == counts("bodhi_refresh_failures_total")
    assert [("invalid_grant", 1, who["user_id"], None)] == endings()
    assert {"invalid_grant": 1} == counts("bodhi_session_ended_total")
    assert 1 == read_totals(server.app[METRICS])["revocations"]


async def test_lookups_of_exchanged_tokens_are_counted(browser, counts, provider, server):
    """One that is new, two that are remembered."""
    provider.add_client("notes", secret="a secret of the notes")
    token = provider.issue_access_token("user", client_id="notes", audience=["bodhi"], scope="scope_user_user")
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(3):
        assert 200 == (await browser.session.get(browser.make_url("/bodhi/v1/user"), headers=headers)).status

    assert {"hit": 2, "miss": 1} == counts("bodhi_exchange_cache_total")
    assert 1 == server.app[METRICS].snapshot().levels["bodhi_exchange_cache_entries",]


async def test_request_durations_are_recorded(browser, server):
    """By its route, however it was answered."""
    for path in ("/bodhi/v1/user", "/bodhi/v1/user", PROTECTED):
        await browser.get(path)

    times = server.app[METRICS].snapshot().times
    value_of = {labels[1:]: (sum(row[:-1]), row[-1] > 0) for labels, row in times.items()}
    assert {("/bodhi/v1/user", "GET", "2xx"): (2, True), (PROTECTED, "GET", "4xx"): (1, True)} == value_of


async def test_a_logout_is_one_ended_session(browser, provider, server, endings):
    """Its owner's doing, and no revocation."""
    who = await browser.log_in(provider)
    assert 200 == (await browser.post("/bodhi/v1/logout")).status

    assert [("logout", 1, who["user_id"], None)] == endings()
    assert 0 == read_totals(server.app[METRICS])["revocations"]


async def test_role_change_log_names_the_acting_user(open_browser, provider, server, endings):
    """And whose sessions ended for it."""
    user, admin = await open_browser(server), await open_browser(server)
    whose = (await user.log_in(provider))["user_id"]
    who = (await admin.log_in(provider, "admin"))["user_id"]

    response = await admin.put(f"/bodhi/v1/users/{whose}/role", json={"role": "resource_power_user"})

    assert 200 == response.status, await response.text()
    assert [("role_change", 1, whose, who)] == endings()


async def test_activity_is_written_at_shutdown(start_server, open_browser, provider):
    """The next one's plots show it."""
    server = await start_server()
    await (await open_browser(server)).log_in(provider)
    await server.close()

    series = await (await start_server()).app[ACTIVITY].series("logins", 1)

    assert 1 == sum(value for _, value in series)
