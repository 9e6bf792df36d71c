"""What cannot be undone asks once more, with a way back that needs no scripts."""

import pytest

from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.roles.service import ACCESS_REQUESTS
from bodhi.server.tokens.service import API_TOKENS
from bodhi.session import SESSIONS

# The pages with their confirmations, by the button.
CONFIRMATIONS = {
    "/ui/sessions": ["End one session", "End session"],
    "/ui/tokens": ["Delete token"],
    "/ui/admin/person?id=ann%26b": ["End one session", "End session", "Deactivate token", "Remove this user"],
    "/ui/admin/sessions?sort=user": ["End session", "End session", "End every session"],
    "/ui/admin/tokens?sort=name": ["Deactivate token", "Deactivate token"],
    "/ui/admin/access-requests": ["Reject request"],
    "/ui/admin/settings?q=BODHI_LOG_LEVEL": ["Reset on all nodes"],
}


@pytest.fixture
async def admin(server, provider, new_browser):
    """The browser of an administrator, with something on each page."""
    app, admin_id = server.app, provider.person("admin").user_id
    for user_id in (admin_id, "ann&b"):
        await app[SESSIONS].create({"user_id": user_id})
        await app[API_TOKENS].create(SessionUser(user_id, user_id, Role.ADMIN, ""), scope=TokenScope.USER)
    await app[ACCESS_REQUESTS].create("bob", "bob")
    browser = await (await new_browser(server)).log_in(provider, "admin")
    await browser.open("/ui/admin/settings?q=BODHI_LOG_LEVEL")
    return await browser.press("Save on all nodes", value="INFO")


@pytest.mark.parametrize("path", CONFIRMATIONS)
async def test_every_confirmation_leads_back_to_its_page(admin, path):
    """To the same list, in the same order, with everything folded."""
    await admin.open(path)
    title = admin.page.one("h1").text
    confirmations = [one for one in admin.page.all("details") if "Cancel" in [link.text for link in one.all("a")]]
    buttons = [one.one("form").one("button") for one in confirmations]
    assert CONFIRMATIONS[path] == [button.text for button in buttons]
    finals = [one for one in admin.page.all("button") if "danger" in one.attributes.get("class", "")]
    assert finals == [button for button in buttons if button.text != "Reset on all nodes"]

    for one in confirmations:
        assert "open" not in one.attributes
        await admin.open(one.one("a", **{"data-cancel": ""}).attributes["href"], site="same-origin")
        assert (200, title, path) == (admin.status, admin.page.one("h1").text, admin.url.raw_path_qs.split("&order")[0])
