"""The settings page: groups, filter, sources, and changes."""

import logging

import pytest

from bodhi.session import SESSIONS
from bodhi.session.handles import digest_of
from bodhi.settings import BY_NAME
from bodhi.settings.description import GROUPS, described_in
from server.pages.browser import HTML
from server.pages.conftest import environment
from server.pages.test_recent_login import age_login, session_id
from support.markup import read

PATH = "/ui/admin/settings"
MEMORY, LIFETIME, LEVEL = "BODHI_TOKEN_MEMORY", "BODHI_API_TOKEN_LIFETIME", "BODHI_LOG_LEVEL"
HTMX = {**HTML, "HX-Request": "true", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture(autouse=True)
def same_log_levels():
    """Restore the log levels after the test."""
    before = logging.getLogger().level, logging.getLogger("bodhi").level
    yield
    logging.getLogger().setLevel(before[0])
    logging.getLogger("bodhi").setLevel(before[1])


@pytest.fixture
async def admin(browser, provider):
    """The browser of an administrator."""
    return await browser.log_in(provider, "admin")


def shown_in(page):
    """The settings on the page by name."""
    return {setting.attributes["id"]: setting for setting in page.all("li") if "id" in setting.attributes}


def facts_of(setting):
    """What is said of a setting: value, default, source."""
    return [fact.text for fact in setting.all("dd")]


async def test_settings_page_shows_every_setting_by_group(admin):
    """With its description, as the documentation has it."""
    await admin.open("/ui/admin")
    await admin.follow("Settings")

    assert (PATH, 200, "Settings") == (admin.path, admin.status, admin.page.one("h1").text)
    assert [group.__doc__.partition(":")[0] for group in GROUPS] == [title.text for title in admin.page.all("h2")]
    assert [f"#{title.attributes['id']}" for title in admin.page.all("h2")] == [
        link.attributes["href"] for link in admin.page.one("nav", **{"aria-label": "Groups of settings"}).all("a")
    ]
    lists = [[one.attributes["id"] for one in part.all("li")] for part in admin.page.all("ul", **{"class": "settings"})]
    assert [[setting.name for setting in described_in(group).values()] for group in GROUPS] == lists
    for name, setting in shown_in(admin.page).items():
        assert " ".join(BY_NAME[name].help.split()) == setting.all("p")[0].text


async def test_settings_page_shows_values_and_sources(database_url, serve, provider, new_browser, tmp_path):
    """Durations as people write them, what differs from its default marked, nothing secret."""
    (tmp_path / "bodhi").mkdir()
    (tmp_path / "bodhi" / "settings.yaml").write_text("BODHI_SESSION_TOUCH_INTERVAL: 90\n")
    server = await serve(
        **environment(provider, database_url),
        BODHI_SESSION_MAX_PER_USER="7",
        BODHI_SESSION_ABSOLUTE_TIMEOUT="1209600",
        BODHI_SETUP_SECRET="hush-hush-hush-hush",
    )
    admin = await (await new_browser(server)).log_in(provider, "admin")
    await admin.open(PATH)

    shown = shown_in(admin.page)
    rule = BY_NAME["BODHI_ENCRYPTION_KEY"].default.rule
    expected = {
        "BODHI_SESSION_MAX_PER_USER": ["7", "not set", "Environment"],
        "BODHI_SESSION_ABSOLUTE_TIMEOUT": ["14d", "Environment"],
        "BODHI_SESSION_IDLE_TIMEOUT": ["24h", "Default"],
        "BODHI_SESSION_TOUCH_INTERVAL": ["1m30s", "1m", f"settings.yaml {tmp_path}/bodhi/settings.yaml, line 1"],
        "BODHI_AUTH_MANAGEMENT": ["true", "false", "Environment"],
        "BODHI_SETUP_SECRET": ["***", "not set", "Environment"],
        "BODHI_ENCRYPTION_KEY": ["***", rule, f"Key file {tmp_path}/bodhi/encryption.key"],
        "BODHI_AUTH_NAME_CLAIM": ["not set", "preferred_username, else email, else name", "Default"],
        LIFETIME: ["not set", "Default"],
    }
    assert expected == {name: facts_of(shown[name]) for name in expected}
    marked = {name for name, setting in shown.items() if "Changed" in [mark.text for mark in setting.all("span")]}
    assert {"BODHI_SESSION_MAX_PER_USER", "BODHI_SESSION_TOUCH_INTERVAL", "BODHI_AUTH_MANAGEMENT"} <= marked
    assert not {"BODHI_SESSION_ABSOLUTE_TIMEOUT", "BODHI_SESSION_IDLE_TIMEOUT", "BODHI_ENCRYPTION_KEY"} & marked
    for secret in ("hush-hush-hush-hush", provider.client_secret):
        assert secret not in admin.page.text

    await admin.open(f"{PATH}?changed=1")
    assert marked == shown_in(admin.page).keys()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=touch_interval", {"BODHI_SESSION_TOUCH_INTERVAL"}),
        ("q=Touch+Interval", {"BODHI_SESSION_TOUCH_INTERVAL"}),
        ("q=minimum+severity", {LEVEL}),
        ("q=14d", {"BODHI_SESSION_ABSOLUTE_TIMEOUT"}),
        ("q=touch_interval&changed=1", set()),
        ("q=%3Cscript%3E%22", set()),
        ("q=a%00b", set()),
    ],
)
async def test_settings_are_filtered(admin, query, found):
    """By all words, in name, description and value; the query stays in the form, and works without scripts."""
    await admin.open(f"{PATH}?{query}")

    assert (200, found) == (admin.status, found & shown_in(admin.page).keys())
    assert len(shown_in(admin.page)) < 10
    if not found:
        assert "No setting matches." in admin.page.text
        await admin.follow("Show all settings")
        assert BY_NAME.keys() == shown_in(admin.page).keys()


async def test_filter_answers_htmx_with_the_list_only(admin):
    """And refuses what no form sends."""
    async with admin.client.get(f"{PATH}?q=touch_interval", headers=HTMX) as response:
        fragment = read(await response.text())
    assert ["BODHI_SESSION_TOUCH_INTERVAL"] == list(shown_in(fragment))
    assert [] == fragment.all("h1")

    for query in ("changed=yes", "q=a&q=b", f"q={'a' * 101}", "done=nothing"):
        await admin.open(f"{PATH}?{query}")
        assert 400 == admin.status


async def test_setting_is_changed_and_reset(admin):
    """By the form, with who did it and when; the filter stays."""
    await admin.open(f"{PATH}?q=token_memory")
    await admin.press("Save on all nodes", value=" 1m30s ")

    assert (PATH, "token_memory") == (admin.path, admin.url.query["q"])
    assert "Changed. All nodes use the new value within half a minute." == admin.page.one(id="notice").text
    setting = shown_in(admin.page)[MEMORY]
    assert ["1m30s", "10s", "Database"] == facts_of(setting)
    assert "Changed by admin , " in setting.text

    await admin.open(f"{PATH}?changed=1")
    assert MEMORY in shown_in(admin.page)
    await admin.open(f"{PATH}?q=token_memory")
    await admin.press("Reset on all nodes")
    assert "Reset. All nodes use their own value again within half a minute." == admin.page.one(id="notice").text
    assert ["10s", "Default"] == facts_of(shown_in(admin.page)[MEMORY])
    assert "Reset" not in [button.text for button in shown_in(admin.page)[MEMORY].all("summary")]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        (LIFETIME, "3 weeks", "The value is not a duration; allowed: a duration from 1m to 3650d, such as"),
        (LIFETIME, "59s", "The value is too small; allowed: a duration from 1m to 3650d"),
        (LIFETIME, '"><script>', "The value is not a duration"),
        (MEMORY, "1.5", "The value is not a whole number of seconds"),
        (MEMORY, "", "The value is not a duration"),
        (LEVEL, "LOUD", "The value is not known; allowed: DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        (LEVEL, "DEBUG\0", "The value is not known"),
    ],
)
async def test_refused_value_is_shown_with_the_reason_at_its_field(admin, name, text, reason):
    """Nothing is stored, and the text is there to be corrected; with scripts the same in place."""
    await admin.open(f"{PATH}?q={name}")
    await admin.press("Save on all nodes", value=text)

    assert 400 == admin.status
    setting = shown_in(admin.page)[name]
    [details] = setting.all("details")
    assert "open" in details.attributes
    assert reason in details.one("p", id=f"about-{name}").text
    for field in details.all("input"):
        assert (text, "true") == (field.attributes["value"], field.attributes["aria-invalid"])
        assert f"about-{name}" == field.attributes["aria-describedby"]
    assert "Default" == facts_of(setting)[-1]

    async with admin.client.post(f"{PATH}/{name}", data={"value": text}, headers=HTMX) as response:
        assert 400 == response.status
        fragment = read(await response.text())
    assert reason in fragment.one("p", id=f"about-{name}").text


async def test_change_answers_htmx_with_the_setting(admin):
    """Its new value and the outcome, in place."""
    async with admin.client.post(f"{PATH}/{LEVEL}", data={"value": "ERROR"}, headers=HTMX) as response:
        fragment = read(await response.text())

    assert [LEVEL] == [part.attributes["id"] for part in fragment.all("li")]
    assert ["ERROR", "INFO", "Database"] == facts_of(fragment)
    assert "Changed. All nodes" in fragment.one("p", **{"class": "notice"}).text
    [chosen] = [option.text for option in fragment.all("option") if "selected" in option.attributes]
    assert ("ERROR", logging.ERROR) == (chosen, logging.getLogger("bodhi").level)
    async with admin.client.post(f"{PATH}/{LEVEL}/reset", headers=HTMX) as response:
        assert ["INFO", "Default"] == facts_of(read(await response.text()))


async def test_source_that_takes_precedence_is_named(database_url, serve, provider, new_browser):
    """A change is stored for other nodes, and the page says that it has no effect here."""
    server = await serve(**environment(provider, database_url), BODHI_TOKEN_MEMORY="5s")
    admin = await (await new_browser(server)).log_in(provider, "admin")
    await admin.open(f"{PATH}?q={MEMORY}")
    assert "The environment of this server takes precedence: the change has no effect here." in admin.page.text
    await admin.press("Save on all nodes", value="20")

    setting = shown_in(admin.page)[MEMORY]
    assert ["5s", "10s", "Environment"] == facts_of(setting)
    assert "A change to 20s is stored, without effect on this server: its environment takes precedence." in setting.text
    await admin.press("Reset on all nodes")
    assert "is stored" not in shown_in(admin.page)[MEMORY].text


async def test_changes_over_the_api_are_shown(admin):
    """With who made them."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    await admin.client.put(f"/bodhi/v1/settings/{MEMORY}", json={"value": "1h30m"}, headers=headers)
    await admin.client.put(f"/bodhi/v1/settings/{MEMORY}", json={"value": "20s"}, headers=headers)

    await admin.open(f"{PATH}?q={MEMORY}")

    assert "20s" == facts_of(shown_in(admin.page)[MEMORY])[0]
    assert "Changed by admin , " in shown_in(admin.page)[MEMORY].text


async def test_changes_of_other_processes_are_shown_at_once(admin, application):
    """Those of version 0.1.0 name nobody, and one that this version refuses is shown as it is."""
    for value, seconds in (("20", "20s"), ("hunter2", "hunter2")):
        await application.script(
            "DELETE FROM bodhi_setting; INSERT INTO bodhi_setting (key, value, type, created_at, updated_at) "
            f"VALUES ('{MEMORY}', '{value}', 'number', 1800000000000, 1800000000000);"
        )

        await admin.open(f"{PATH}?q={MEMORY}")

        assert seconds in shown_in(admin.page)[MEMORY].text
        assert "15 January 2027, 08:00 UTC" in shown_in(admin.page)[MEMORY].text


async def test_changes_are_for_administrators_who_signed_in_recently(server, provider, new_browser):
    """As over the API; other sites' forms are refused."""
    admin = await (await new_browser(server)).log_in(provider, "admin")
    manager = await (await new_browser(server)).log_in(provider, "manager")
    for browser, site in ((manager, "same-origin"), (admin, "cross-site")):
        for path in (f"{PATH}/{MEMORY}", f"{PATH}/{MEMORY}/reset"):
            headers = {**HTML, "Sec-Fetch-Site": site}
            async with browser.client.post(path, data={"value": "1"}, headers=headers) as response:
                assert 403 == response.status
    await server.app[SESSIONS].atomically(digest_of(session_id(admin)), lambda data, _: age_login(data))
    await admin.open(f"{PATH}?q={MEMORY}")
    await admin.press("Save on all nodes", value="1")
    assert (403, "Sign in again to continue") == (admin.status, admin.page.one("h1").text)
    await admin.open(f"{PATH}?q={MEMORY}")
    assert "Default" == facts_of(shown_in(admin.page)[MEMORY])[-1]


@pytest.mark.parametrize(("name", "status"), [("BODHI_PORT", 400), ("BODHI_HOME", 400), ("BODHI_NOTHING", 404)])
async def test_other_settings_are_not_changed(admin, name, status):
    """Whatever a form sends."""
    for path in (f"{PATH}/{name}", f"{PATH}/{name}/reset"):
        headers = {**HTML, "Sec-Fetch-Site": "same-origin"}
        async with admin.client.post(path, data={"value": "1"}, headers=headers) as response:
            assert status == response.status
