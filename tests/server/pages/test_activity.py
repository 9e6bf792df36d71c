from datetime import datetime

import pytest

from bodhi.server.activity.service import ACTIVITY

TITLES = [
    "Live sessions",
    "Sign-ins per minute",
    "Saves per minute",
    "Merged saves per minute",
    "Revoked sessions per minute",
]


async def test_administrators_see_the_activity_plots(browser, provider):
    """Each series has a picture that says in words what it shows."""
    await browser.log_in(provider, "admin")
    await browser.open("/ui/admin/activity")

    assert [*TITLES, "Ended sessions by reason"] == [title.text for title in browser.page.all("h2")]
    assert TITLES == [picture.one("title").text for picture in browser.page.all("svg")]
    assert "Activity" in [link.text for link in browser.page.all("a", **{"aria-current": "page"})]


async def test_activity_page_shows_values_and_reasons(server, browser, provider):
    """Without scripts and without a picture: the present values, a table, and since when there is data."""
    await browser.log_in(provider, "admin")
    reasons = {"ended.logout": 1, "ended.role_change": 2, "ended.of-tomorrow": 4}
    await server.app[ACTIVITY].add({"conflicts": 7, **reasons})

    await browser.open("/ui/admin/activity?hours=1")

    article = browser.page.one("article", **{"aria-labelledby": "heading-conflicts"})
    assert "highest 7, total 7" in article.all("p")[0].text  # now: unless the next minute has begun
    values = [row.all("td") for row in article.one("tbody").all("tr")]
    (start,) = [start for start, highest in values if highest.text == "7"]
    begin = datetime.fromisoformat(start.one("time").attributes["datetime"])
    assert (0, 0) == (begin.minute % 5, begin.second)
    assert f"{begin:%H:%M} UTC" == start.text
    rows = browser.page.one("article", **{"aria-labelledby": "ended-title"}).one("tbody").all("tr")
    assert ["of-tomorrow 4", "Role changed 2", "Signed out 1"] == [row.text for row in rows]  # the most frequent first
    assert "Data since" in browser.page.one("main").text


@pytest.mark.parametrize("hours", [1, 24])
async def test_activity_span_can_be_chosen(browser, provider, hours):
    """The way that is shown is marked."""
    await browser.log_in(provider, "admin")
    await browser.open(f"/ui/admin/activity?hours={hours}")

    ways = browser.page.one("nav", **{"aria-label": "Time range"})
    chosen = ways.one("a", **{"aria-current": "true"})
    assert f"/ui/admin/activity?hours={hours}" == chosen.attributes["href"]


@pytest.mark.parametrize("hours", ["0", "25", "x", "1&hours=2"])
async def test_invalid_activity_span_is_refused(browser, provider, hours):
    """A page of an error, and no more."""
    await browser.log_in(provider, "admin")

    await browser.open(f"/ui/admin/activity?hours={hours}")

    assert 400 == browser.status


async def test_the_activity_page_is_for_administrators(browser, provider):
    """Nobody else finds it in the bar, or gets it."""
    await browser.log_in(provider, "manager")

    await browser.open("/ui/admin")
    assert "Activity" not in [link.text for link in browser.page.all("a")]
    await browser.open("/ui/admin/activity")
    assert 403 == browser.status
