import pytest

TITLES = ["Live sessions", "Logins a minute", "Saves a minute", "Conflicts a minute", "Ended sessions a minute"]


async def test_administrators_see_the_activity_plots(browser, provider):
    """Each series has a picture that says in words what it shows."""
    await browser.log_in(provider, "admin")
    await browser.open("/ui/admin/activity")

    assert TITLES == [title.text for title in browser.page.all("h2")]
    assert TITLES == [picture.one("title").text for picture in browser.page.all("svg")]
    assert "Activity" in [link.text for link in browser.page.all("a", **{"aria-current": "page"})]


@pytest.mark.parametrize("hours", [1, 24])
async def test_activity_span_can_be_chosen(browser, provider, hours):
    """The way that is shown is marked."""
    await browser.log_in(provider, "admin")
    await browser.open(f"/ui/admin/activity?hours={hours}")

    ways = browser.page.one("nav", **{"aria-label": "How far to look back"})
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
