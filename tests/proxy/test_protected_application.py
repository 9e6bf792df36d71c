"""Forward authentication with the proxies that people have, in front of an application that knows nothing of bodhi."""

import pytest
from yarl import URL

pytestmark = pytest.mark.proxies

PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FORGED = ("X-BodhiApp-User-Id", "x-bodhiapp-user-id", "X_BodhiApp_User_Id", "X-BodhiApp_Role", "X-BodhiApp-Role")


async def test_a_visitor_is_sent_to_the_login_and_let_in_after_it(visitor, proxy, provider):
    """Back at the page that was asked for, where the application is told who it is."""
    sent = await visitor.get("/page?a=b%26c&d", headers={**PAGE, "Sec-Fetch-Site": "none"})
    assert (302, f"{proxy}/ui/login?return_to=/page?a=b%2526c%26d") == (sent.status, sent.headers["Location"])

    begun = await visitor.post(sent.headers["Location"].removeprefix(proxy))
    answer = await provider.log_in_url(begun.headers["Location"], user="manager")
    ended = await visitor.post("/ui/auth/callback", data=dict(URL(answer).query))
    assert (303, "/page?a=b%26c&d") == (ended.status, URL(ended.headers["Location"]).raw_path_qs)

    shown = await visitor.get(URL(ended.headers["Location"]).raw_path_qs)
    told = {name.lower(): value for name, value in await shown.json()}
    assert {
        "x-bodhiapp-user-id": provider.person("manager").user_id,
        "x-bodhiapp-username": provider.person("manager").username,
        "x-bodhiapp-role": "resource_manager",
    } == told


@pytest.mark.parametrize("name", FORGED)
async def test_nobody_says_who_they_are_by_themselves(visitor, provider, name):
    """The application sees what bodhi says, in one spelling, and nothing that a client made up."""
    refused = await visitor.get("/page", headers={name: "mallory"})
    assert refused.status in {302, 401}

    await visitor.log_in(provider)

    told = await (await visitor.get("/page", headers={name: "mallory"})).json()
    assert 3 == len(told)
    assert "mallory" not in {value for _, value in told}


async def test_a_logout_takes_effect_at_the_next_request(visitor, provider):
    """Nobody between remembers the answer."""
    await visitor.log_in(provider)
    assert 200 == (await visitor.get("/page")).status

    assert (await visitor.post("/bodhi/v1/logout")).status < 300

    assert (await visitor.get("/page")).status in {302, 401}


async def test_a_websocket_goes_through(visitor, provider, proxy):
    """With whom it belongs to."""
    await visitor.log_in(provider)

    async with visitor.connect("/socket") as socket:
        assert provider.person("user").username == await socket.receive_str()
        await socket.send_str("hello")
        assert "hello" == await socket.receive_str()


@pytest.mark.parametrize(("user", "status"), [("user", 403), ("manager", 200), ("admin", 200)])
async def test_a_gate_lets_in_whom_it_names(visitor, provider, user, status):
    """By the query of what the proxy asks."""
    await visitor.log_in(provider, user)

    assert status == (await visitor.get("/managers/page")).status
    assert 200 == (await visitor.get("/page")).status


async def test_another_site_gets_its_links_followed_and_nothing_else(visitor, provider):
    """A link opens the page; a form sent from there is refused, and its scripts and frames have no session."""
    await visitor.log_in(provider)
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"}

    assert 200 == (await visitor.get("/page", headers={**PAGE, "Sec-Fetch-Site": "cross-site"})).status
    assert 403 == (await visitor.post("/page", headers={**PAGE, **foreign})).status
    assert (await visitor.get("/page", headers=foreign)).status in {302, 401}
    assert (await visitor.get("/page", headers={"Origin": "http://evil.test"})).status in {302, 401}
