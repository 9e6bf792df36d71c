from bodhi.settings import BY_NAME
from server.pages.conftest import environment

PATH = "/ui/admin/settings"


async def test_settings_page_shows_values_and_sources(database_url, serve, provider, new_browser):
    """All of them, first those that somebody set; nothing secret."""
    settings = {
        **environment(provider, database_url),
        "BODHI_SESSION_MAX_PER_USER": "7",
        "BODHI_SETUP_SECRET": "hush-hush-hush-hush",
    }
    server = await serve(**settings)
    admin = await (await new_browser(server)).log_in(provider, "admin")
    await admin.open("/ui/admin")
    await admin.follow("Settings")

    assert (PATH, 200, "Settings") == (admin.path, admin.status, admin.page.one("h1").text)
    assert ["Setting", "Value", "Comes from"] == [cell.text for cell in admin.page.one("thead").all("th")]
    rows = {
        "".join(row.one("th").text.split()): [cell.text for cell in row.all("td")]
        for row in admin.page.one("tbody").all("tr")
    }
    assert set(BY_NAME) == rows.keys()
    assert ["7 Default: none", "Environment"] == rows["BODHI_SESSION_MAX_PER_USER"]
    assert ["true Default: false", "Environment"] == rows["BODHI_AUTH_MANAGEMENT"]
    assert ["none", "Default"] == rows["BODHI_API_TOKEN_LIFETIME"]
    assert ["*** Default: none", "Key file"] == rows["BODHI_ENCRYPTION_KEY"]
    sources = [source for _, source in rows.values()]
    assert sources.index("Default") == len(sources) - sources.count("Default")
    for secret in ("hush-hush-hush-hush", provider.client_secret):
        assert secret not in admin.page.text
    assert rows["BODHI_SETUP_SECRET"] == ["*** Default: none", "Environment"]


async def test_settings_page_marks_overridden_settings(browser, provider):
    """That is a source of its own."""
    await browser.log_in(provider, "admin")
    headers = {"Sec-Fetch-Site": "same-origin"}
    response = await browser.client.put("/bodhi/v1/settings/BODHI_TOKEN_MEMORY", json={"value": 20}, headers=headers)
    assert 200 == response.status

    await browser.open(PATH)

    row = next(row for row in browser.page.one("tbody").all("tr") if "Changed in service" in row.text)
    assert ["20 Default: 10", "Changed in service"] == [cell.text for cell in row.all("td")]
