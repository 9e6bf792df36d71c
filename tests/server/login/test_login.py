"""Login, from the first click to the first authenticated response."""

import pytest


async def test_login_is_logged_with_the_user_id(browser, provider, caplog):
    """By the id alone: names may be anything."""
    caplog.set_level("INFO", logger="bodhi.server.login.api")

    user_id = (await browser.log_in(provider))["user_id"]

    (record,) = [record for record in caplog.records if record.name == "bodhi.server.login.api"]
    assert (f"login completed user_id={user_id}", {"user_id": user_id}) == (record.getMessage(), record.fields)


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ("admin", "resource_admin"),
        ("manager", "resource_manager"),
        ("power", "resource_power_user"),
        ("user", "resource_user"),
        ("nobody", None),
    ],
)
async def test_login_stores_the_users_profile(browser, provider, user, role):
    """With the role that the provider gives them, or none."""
    assert {"auth_status": "logged_out"} == await browser.user()

    told = await browser.log_in(provider, user)

    assert ("logged_in", provider.person(user).user_id, user, role) == (
        told["auth_status"],
        told["user_id"],
        told["username"],
        told["role"],
    )
