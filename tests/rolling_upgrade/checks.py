"""What two nodes owe each other, one thing after the other, while nobody else is there."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from urllib.parse import parse_qsl, urlsplit

from bodhi.server.access.scopes import Role
from bodhi.testing.identity_provider.accounts import Person
from rolling_upgrade.browsers import Browser, Site
from rolling_upgrade.cluster import Fault, Node
from rolling_upgrade.visitors import Administrator

MOST_SESSIONS = 3  # of one user
APP = "notes"
_REVOKED_WITHIN_SECONDS = 10  # promised: one, on a machine that has nothing else to do

Check = Callable[[Site, Administrator, Node, Node], Awaitable[None]]
_numbers = count(1)


def new_person(site: Site, *, has_role: bool = True) -> Person:
    """Somebody whom no check has met before."""
    name = f"person-{next(_numbers)}"
    return site.provider.add_person(Person(name), Role.POWER_USER if has_role else None)


async def logged_in(site: Site, begin: Node, finish: Node, *, has_role: bool = True) -> Browser:
    """The browser of somebody new, after a login that began at one node and ended at the other."""
    browser = Browser(site)
    await browser.add("before the login", [begin])
    await browser.log_in(new_person(site, has_role=has_role), begin, finish)
    return browser


async def parallel_changes(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """Of twenty requests at once, half at each node, none is lost."""
    browser = await logged_in(site, one, other)
    await asyncio.gather(*(browser.add(f"c{number}", [(one, other)[number % 2]]) for number in range(20)))
    await browser.check(one)
    await browser.check(other)


async def ending(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """At one node, with a request of the other before and after."""
    browser = await logged_in(site, other, one)
    await browser.check_role("resource_power_user", other)
    await browser.log_out(one)


async def a_change_under_way(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """A logout at one node beside changes at the other: none of them revives the session."""
    for _attempt in range(5):
        browser = await logged_in(site, one, other)
        cookies = dict(browser.cookies)
        requests = [
            site.cluster.request(other, "POST", f"/counters/late{number}", cookies=cookies) for number in range(6)
        ]
        logout = site.cluster.request(one, "POST", "/bodhi/v1/logout", cookies=cookies)
        for answer in await asyncio.gather(*requests, logout):
            # Who came after the logout may have begun a session of their own, which is nobody's.
            if own := {name: value for name, value in answer.cookies.items() if value}:
                stray = Browser(site, cookies=own)
                found = (await stray.request(one, "GET", "/counters")).body
                if found["user_id"] is not None:
                    raise Fault(f"a change after a logout has the session of {found['user_id']}")
                await site.cluster.request(one, "POST", "/bodhi/v1/logout", cookies=own)
        await browser.forget(cookies)


async def rotation(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """At one node; the old id is dead at the other."""
    browser = await logged_in(site, one, other)
    await browser.add("before", [other])
    await browser.rotate(one)
    await browser.add("before", [other])
    await browser.check(one)


async def revocation(site: Site, administrator: Administrator, one: Node, other: Node) -> None:
    """By an administrator at one node: what is open at the other ends soon."""
    browser = await logged_in(site, one, other)
    cookies = dict(browser.cookies)
    watching = asyncio.create_task(site.cluster.request(other, "GET", "/watch", cookies=cookies))
    await browser.check(other)
    path = f"/bodhi/v1/users/{browser.person and browser.person.user_id}/sessions"
    begun = time.monotonic()
    ended = await administrator.at(one, "DELETE", path)
    if ended.body != {"ended": 1}:
        raise Fault(f"one session should have ended: {ended.body}")
    await asyncio.wait_for(watching, _REVOKED_WITHIN_SECONDS)
    site.cluster.events["open requests that ended with their session"] += 1
    site.cluster.slowest_revocation = max(site.cluster.slowest_revocation, time.monotonic() - begun)
    await browser.forget(cookies)


async def one_refresh(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """Of ten requests at both nodes with an expired access token: the provider is asked once, and all are answered."""
    with site.access_tokens_of(seconds=1):
        browser = await logged_in(site, one, other)
    await asyncio.sleep(1.1)
    before = site.provider.counts["refresh"]
    await asyncio.gather(*(browser.check_role("resource_power_user", (one, other)[n % 2]) for n in range(10)))
    if (asked := site.provider.counts["refresh"] - before) != 1:
        raise Fault(f"the provider was asked {asked} times for one refresh")
    site.cluster.events["refreshes shared by two nodes"] += 1


async def limited_sessions(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """Parallel logins of one person at both nodes leave as many sessions as are allowed."""
    person = new_person(site)
    browsers = [Browser(site) for _ in range(10)]
    answers = []
    for number, browser in enumerate(browsers):
        begun = await browser.request((one, other)[number % 2], "POST", "/bodhi/v1/auth/initiate", expected=(201,))
        callback = await site.provider.log_in_url(begun.body["location"], person.username)
        answers.append(dict(parse_qsl(urlsplit(callback).query)))
    # Their sessions are stored at the same time, when the provider has heard of all of them.
    hold = site.provider.hold("code", after=True, times=len(browsers))
    heard = site.provider.counts["code"] + len(browsers)
    finishing = [
        asyncio.create_task(browser.request((one, other)[number % 2], "POST", "/bodhi/v1/auth/callback", answer))
        for number, (browser, answer) in enumerate(zip(browsers, answers, strict=True))
    ]
    await site.provider.wait_for_calls("code", heard)
    hold.release()
    await asyncio.gather(*finishing)
    found = [(await browser.request(one, "GET", "/counters")).body["user_id"] for browser in browsers]
    if found.count(person.user_id) != MOST_SESSIONS or set(found) != {person.user_id, None}:
        raise Fault(f"of ten logins where {MOST_SESSIONS} are allowed, these remain: {found}")
    site.cluster.events["limits of sessions held"] += 1
    for browser, user_id in zip(browsers, found, strict=True):
        if user_id is None:
            await browser.forget()
        else:
            browser.person = person
            await browser.log_out(other)


async def tokens(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """An API token is made at one node, used at the other, made inactive there, and then refused at the first."""
    browser = await logged_in(site, other, one)
    made = await browser.act(one, "POST", "/bodhi/v1/tokens", {"scope": "scope_token_power_user"}, expected=(201,))
    token = made.body["token"]
    listed = await browser.request(other, "GET", "/bodhi/v1/tokens")
    token_id = listed.body["data"][0]["id"]
    for node, status, expected in (
        (other, None, {"auth_status": "api_token", "role": "scope_token_power_user"}),
        (one, "inactive", {"auth_status": "logged_out"}),
        (one, "active", {"auth_status": "api_token", "role": "scope_token_power_user"}),
    ):
        if status is not None:
            change = {"name": "a name", "status": status}
            await browser.act(other, "PUT", f"/bodhi/v1/tokens/{token_id}", change)
        found = (await site.cluster.request(node, "GET", "/bodhi/v1/user", token=token)).body
        if found != expected:
            raise Fault(f"an API token is {found} rather than {expected} at a node of the {node.version} version")
    site.cluster.events["API tokens used at another node"] += 1


async def role_request(site: Site, administrator: Administrator, one: Node, other: Node) -> None:
    """Somebody asks for a role at one node, an administrator gives it at the other."""
    browser = await logged_in(site, one, other, has_role=False)
    assert browser.person is not None
    await browser.request(one, "POST", "/bodhi/v1/user/request-access", expected=(201,))
    pending = await administrator.browser.request(other, "GET", "/bodhi/v1/access-requests/pending")
    (asked,) = [entry for entry in pending.body["requests"] if entry["user_id"] == browser.person.user_id]
    person = browser.person
    path = f"/bodhi/v1/access-requests/{asked['id']}/approve"
    await administrator.at(other, "POST", path, {"role": "resource_user"})
    await browser.forget()
    await browser.log_in(person, one, other)
    await browser.check_role("resource_user", one)
    site.cluster.events["requests for a role approved"] += 1


async def removal(site: Site, administrator: Administrator, one: Node, other: Node) -> None:
    """Somebody with a session and an API token is removed at one node: neither works at the other."""
    browser = await logged_in(site, one, other)
    assert browser.person is not None
    made = await browser.act(other, "POST", "/bodhi/v1/tokens", {"scope": "scope_token_user"}, expected=(201,))
    await administrator.at(one, "DELETE", f"/bodhi/v1/users/{browser.person.user_id}")
    await browser.forget()
    found = (await site.cluster.request(other, "GET", "/bodhi/v1/user", token=made.body["token"])).body
    if found != {"auth_status": "logged_out"}:
        raise Fault(f"the API token of somebody who was removed is {found}")
    site.cluster.events["people removed"] += 1


async def provider_logout(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """The provider ends a login of one node and tells the other: the session ends."""
    browser = await logged_in(site, other, one)
    assert browser.person is not None
    site.provider.client.backchannel_logout_uri = f"{other.url}/bodhi/v1/auth/backchannel-logout"
    await site.provider.end_sessions(browser.person.username)
    site.provider.client.backchannel_logout_uri = None
    site.cluster.events["sessions ended by the provider"] += 1
    await browser.forget()


async def app_request(site: Site, _: Administrator, one: Node, other: Node) -> None:
    """An application asks at one node, its user decides at the other, the application hears of it at the first."""
    browser = await logged_in(site, one, other)
    asked = await site.cluster.request(
        one,
        "POST",
        "/bodhi/v1/apps/request-access",
        {"app_client_id": APP, "flow_type": "popup", "requested": {"notes": ["read"]}},
        expected=(201,),
    )
    request_id = asked.body["id"]
    await browser.act(other, "POST", f"/bodhi/v1/access-requests/{request_id}/deny")
    polled = await site.cluster.request(one, "GET", f"/bodhi/v1/apps/access-requests/{request_id}?app_client_id={APP}")
    if polled.body["status"] != "denied":
        raise Fault(f"an application's request that was denied is {polled.body}")
    site.cluster.events["app access requests decided"] += 1


CHECKS: tuple[Check, ...] = (
    parallel_changes,
    ending,
    a_change_under_way,
    rotation,
    revocation,
    one_refresh,
    limited_sessions,
    tokens,
    role_request,
    removal,
    provider_logout,
    app_request,
)


async def check_pair(site: Site, administrator: Administrator, one: Node, other: Node) -> None:
    """Everything, both ways round."""
    for first, second in ((one, other), (other, one)):
        for check in CHECKS:
            try:
                await check(site, administrator, first, second)
            except Fault as error:
                raise Fault(f"{check.__name__}, {first.version} and {second.version} version: {error}") from error
            site.cluster.events[f"checks of the {first.version} with the {second.version} version"] += 1
