"""The upgrade itself: two nodes of the old version become two of the new one, as docs/how-to/upgrade.md says."""

import re

from bodhi.server.access.scopes import Role
from bodhi.testing.identity_provider.accounts import Person
from rolling_upgrade.browsers import Browser, Site
from rolling_upgrade.checks import APP, check_pair
from rolling_upgrade.cluster import NEW, OLD, Cluster, Fault
from rolling_upgrade.stored import Stored
from rolling_upgrade.visitors import Administrator, Traffic, Visitor

VISITORS = 4
_REFUSES_TO_START = "and this program knows only 2: run a newer bodhi"


async def upgrade(site: Site, stored: Stored, steps: int) -> None:
    """All of it, with so many *steps* of each visitor in each part; a :exc:`Fault` where something is lost."""
    cluster, provider = site.cluster, site.provider
    provider.add_client(APP, name="Notes", redirect_uris=["http://127.0.0.1/callback"])
    first, second = await cluster.start(OLD), await cluster.start(OLD)
    # With tokens that last: the provider would refuse one that expires on its way there.
    administrator = Administrator(Browser(site, access_token_seconds=3600))
    await administrator.browser.log_in(provider.person("admin"), first, second)
    people = [provider.add_person(Person(f"visitor-{number}"), Role.USER) for number in range(VISITORS)]
    visitors = [Visitor(Browser(site), person, administrator) for person in people]

    async with Traffic(visitors, steps):
        pass
    await check_pair(site, administrator, first, second)

    async with Traffic(visitors, steps):
        first = await cluster.replace(first)
    await expect_refused_start(cluster, stored)
    async with Traffic(visitors, steps):
        pass
    await check_pair(site, administrator, first, second)
    await expect_whole(site, stored, visitors, administrator, formats={1})

    async with Traffic(visitors, steps):
        second = await cluster.replace(second)
    await check_pair(site, administrator, first, second)
    await expect_whole(site, stored, visitors, administrator, formats={1})

    async with Traffic(visitors, steps):
        await rekey(cluster, "--newest-format")
    while not (await rekey(cluster)).startswith("0 re-encrypted"):
        pass
    async with Traffic(visitors, steps):
        pass
    await check_pair(site, administrator, first, second)
    await expect_whole(site, stored, visitors, administrator, formats={2})
    for node in list(cluster.nodes):
        await node.stop()
    expect_quiet_logs(cluster)


async def rekey(cluster: Cluster, *options: str) -> str:
    """The last line of ``bodhi sessions rekey``."""
    status, output = await cluster.run(NEW, "sessions", "rekey", *options)
    if status:
        raise Fault(f"sessions rekey ended with status {status}: {output}")
    cluster.events["runs of sessions rekey"] += 1
    return next(line for line in output.splitlines() if re.match(r"\d+ re-encrypted / \d+ seen$", line))


async def expect_refused_start(cluster: Cluster, stored: Stored) -> None:
    """A node of the old version that starts after the migration says what to do, and changes nothing."""
    before = await stored.digests()
    status, output = await cluster.run(OLD, "serve")
    if status != 2 or _REFUSES_TO_START not in output:
        raise Fault(f"a node of the old version started after the migration: status {status}: {output}")
    if before != await stored.digests() or await stored.set_aside():
        raise Fault("a node of the old version that did not start changed the sessions")
    cluster.events["starts of the old version refused after the migration"] += 1


async def expect_whole(
    site: Site, stored: Stored, visitors: list[Visitor], administrator: Administrator, *, formats: set[int]
) -> None:
    """No session is lost, came back or was set aside, and all data is in one of *formats*."""
    for visitor in visitors:
        for node in site.cluster.nodes:
            await visitor.browser.check(node)
            if visitor.browser.person is not None:
                await visitor.browser.check_role(visitor.role, node)
    for node in site.cluster.nodes:
        await administrator.browser.check_role(str(Role.ADMIN), node)
        for cookies in site.ended:
            await site.expect_unknown(cookies, node)
    if aside := await stored.set_aside():
        raise Fault(f"{aside} sessions were set aside")
    if (found := await stored.formats()) != formats:
        raise Fault(f"sessions are stored in the formats {found} rather than {formats}")


def expect_quiet_logs(cluster: Cluster) -> None:
    """No node had anything to complain about."""
    for log in cluster.logs:
        if found := re.search(r".*(Traceback|ERROR|set aside).*", log.read_text()):
            raise Fault(f"{log.name}: {found[0]}")
