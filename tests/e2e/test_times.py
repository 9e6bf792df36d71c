"""Times are relative, or in the time zone of the reader; the title is in UTC."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_time_is_relative_and_then_local(site, new_person):
    """Seen from a browser in Nepal, now and days later."""
    person = await new_person(site.url, timezone_id="Asia/Kathmandu")
    page = await person.log_in("nobody")
    await page.get_by_role("button", name="Request access").click()
    time = page.locator("#access time")

    await expect(time).to_have_text("just now")  # in the part that htmx inserted, too
    requested = datetime.fromisoformat(await time.get_attribute("datetime"))
    assert f"{requested:%-d %B %Y, %H:%M} UTC" == await time.get_attribute("title")
    local = requested + timedelta(hours=5, minutes=45)
    for age, text in {
        timedelta(minutes=2, seconds=30): "2 minutes ago",
        timedelta(hours=3): "3 hours ago",
        timedelta(days=6, hours=23): "6 days ago",
        timedelta(days=8): f"{local:%-d} {local:%b} {local:%Y}, {local:%H:%M}",
    }.items():
        await page.clock.set_fixed_time(requested + age)
        await page.reload()
        await expect(time).to_have_text(text.replace("Sep ", "Sept "))


async def test_time_without_scripts_is_in_utc(site, new_person):
    """As the server wrote it."""
    person = await new_person(site.url, java_script_enabled=False, timezone_id="Asia/Kathmandu")
    page = await person.log_in("nobody")
    await page.get_by_role("button", name="Request access").click()

    text = await page.locator("#access time").text_content()
    shown = datetime.strptime(text, "%d %B %Y, %H:%M UTC").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - shown) < timedelta(minutes=10)
