"""The limit of sessions per user, enforced at login."""

import asyncio

from bodhi.session import SESSIONS

CAP = 5


async def test_twenty_concurrent_logins_respect_the_cap(start_server, open_browser, provider):
    """On two nodes, in one moment: who logged in last is logged in, and the oldest are not."""
    nodes = [await start_server(BODHI_SESSION_MAX_PER_USER=str(CAP)) for _ in range(2)]
    browsers = [await open_browser(nodes[number % 2]) for number in range(20)]
    answers = [await provider.log_in_url(await browser.begin(), user="user") for browser in browsers]

    finished = await asyncio.gather(
        *(browser.finish(answer) for browser, answer in zip(browsers, answers, strict=True))
    )

    assert [200] * 20 == [response.status for response in finished]
    user_id = provider.person("user").user_id
    assert CAP == await nodes[0].app[SESSIONS].count_sessions_for_user(user_id)
    told = [(await browser.user())["auth_status"] for browser in browsers]
    assert CAP == told.count("logged_in")


async def test_all_sessions_stay_without_a_cap(server, open_browser, provider):
    """That is the default."""
    for _ in range(3):
        await (await open_browser(server)).log_in(provider)

    assert 3 == await server.app[SESSIONS].count_sessions_for_user(provider.person("user").user_id)
