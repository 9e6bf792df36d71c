"""Let the database of a cluster fail over while requests go on.

``python -m high_availability``: PostgreSQL under Patroni, as the how-to page configures it, and two nodes for each way
to reach it. Ends with status 1 where a session, a change or a promise is lost, or where the log names no cause.
"""

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from bodhi.server.access.scopes import Role
from bodhi.testing import DevelopmentProvider
from bodhi.testing.identity_provider.accounts import Person
from high_availability.nodes import Nodes, settings_of
from high_availability.page import Page
from high_availability.postgres import PostgresCluster
from high_availability.scenarios import SCENARIOS, Way, go_through
from high_availability.servers import missing_packages
from high_availability.visitors import Visitor
from rolling_upgrade.browsers import Browser, Site
from rolling_upgrade.cluster import NEW, Fault
from support.binaries import NoPostgres, find_binaries

WAYS = {  # with the page's settings for each
    "several hosts in the URL": "several-hosts.env",
    "HAProxy": "haproxy.env",
    "PgBouncer and HAProxy": "pgbouncer.env",
}
_NODES = 2
_VISITORS = 4
_ACCESS_TOKEN_SECONDS = 4  # they expire in every outage
_LONGEST_SECONDS = 900  # two minutes on a machine that has nothing else to do
_ANSWER_SECONDS = 60  # of a machine that is busy with something else


def main() -> int:
    """The exit status."""
    if missing := missing_packages():
        print(f"make test.ha: not installed: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 2
    try:
        find_binaries()
    except NoPostgres as error:
        print(f"make test.ha: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bodhi-high-availability-") as folder:
        return 0 if asyncio.run(_holds(Path(folder))) else 1


async def _holds(folder: Path) -> bool:
    """Whether nothing was lost; prints for how long nothing was answered."""
    begun = time.monotonic()
    ways: list[Way] = []
    faults: list[str] = []
    try:
        async with asyncio.timeout(_LONGEST_SECONDS), AsyncExitStack() as stack:
            await _go_through_all(folder, stack, ways)
    except* Fault as group:
        faults += [str(fault) for fault in group.exceptions]
    except* TimeoutError:
        faults.append(f"not done within {_LONGEST_SECONDS} s")
    for way in ways if faults else ():
        faults += [f"{way.nodes.name}: {line}" for line in way.nodes.warnings()]
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    if not faults:
        print(f"nothing was lost in {time.monotonic() - begun:.1f}s")
    for way in ways:
        print(f"{way.nodes.name}:")
        for name, times in (*sorted(way.nodes.answers.items()), *sorted(way.nodes.events.items())):
            print(f"  {times:6} {name.removesuffix(f' by the {NEW} version')}")
    return not faults


async def _go_through_all(folder: Path, stack: AsyncExitStack, ways: list[Way]) -> None:
    page = Page()
    provider = await stack.enter_async_context(DevelopmentProvider(access_token_seconds=_ACCESS_TOKEN_SECONDS))
    postgres = await stack.enter_async_context(PostgresCluster(page))
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    http = await stack.enter_async_context(
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0), timeout=timeout
        )
    )
    for name, file in WAYS.items():
        environ = _environ(folder, provider) | settings_of(page.block(file))
        logs = folder / Path(file).stem
        logs.mkdir()
        nodes = Nodes(Path(sys.executable), logs, environ, http, name=name)
        stack.push_async_callback(nodes.close)
        ways.append(await _open(nodes, provider))
    print(f"{'seconds without any 200':36}" + "".join(f"{name:>26}" for name in WAYS), flush=True)
    for name, scenario in SCENARIOS.items():
        await go_through(scenario, postgres, ways)
        outages = "".join(f"{way.nodes.longest_outage:26.1f}" for way in ways)
        print(f"{name:36}{outages}", flush=True)


async def _open(nodes: Nodes, provider: DevelopmentProvider) -> Way:
    for _ in range(_NODES):
        await nodes.start(NEW)
    site = Site(nodes, provider)
    # The first who logs in becomes the administrator; later ones are so already.
    await Browser(site).log_in(provider.person("admin"), nodes.any_node(), nodes.any_node())
    people = [provider.add_person(Person(f"{nodes.name} {number}"), Role.USER) for number in range(_VISITORS)]
    return Way(nodes, site, [Visitor(site, person) for person in people])


def _environ(folder: Path, provider: DevelopmentProvider) -> dict[str, str]:
    """The settings of every node, but for where the database is."""
    return {
        "BODHI_HOME": str(folder / "bodhi"),
        "BODHI_HOST": "127.0.0.1",
        "BODHI_PUBLIC_HOST": "localhost",
        "BODHI_DEPLOYMENT": "cluster",
        "BODHI_ENCRYPTION_KEY": "a-key-for-tests-that-has-at-least-thirty-two-characters",
        "BODHI_AUTH_ISSUER": provider.issuer,
        "BODHI_AUTH_MANAGEMENT": "true",
        "BODHI_CLIENT_ID": provider.client_id,
        "BODHI_CLIENT_SECRET": provider.client_secret,
        # A machine that is busy with something else is no outage of the provider.
        "BODHI_AUTH_TIMEOUT": "30",
        "BODHI_SHUTDOWN_TIMEOUT": "60",
        "BODHI_RATE_LIMIT": "0",  # all visitors come from one address
    }


if __name__ == "__main__":
    sys.exit(main())
