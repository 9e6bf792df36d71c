"""The database of the cluster: three PostgreSQL servers under Patroni, with HAProxy and PgBouncer in front of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from typing import Self, TypeVar

import aiohttp
import asyncpg

from high_availability.page import Page
from high_availability.servers import HOSTS, Etcd, HAProxy, Member, PgBouncer, Server
from rolling_upgrade.cluster import Fault

_WAIT_SECONDS = 180  # on a machine that is busy with something else
_ANSWER_SECONDS = 2
_FOLLOWERS = """
SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming' AND NOT pg_is_in_recovery() ORDER BY sync_state
"""

AServer = TypeVar("AServer", bound=Server)


class PostgresCluster:
    """One leader and two standbys, of which one has everything that was committed."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._servers = ExitStack()
        self._members: list[Member] = []

    async def __aenter__(self) -> Self:
        try:
            await self._own(Etcd(self._page)).wait_until_ready()
            self._members = [self._own(Member(self._page, host)) for host in HOSTS]
            leader = await self.wait_until_whole()
            for statement in self._page.block("bodhi.sql").split(";\n")[:-1]:
                await _ask(leader, statement)
            await self._own(HAProxy(self._page)).wait_until_ready()
            await self._own(PgBouncer(self._page)).wait_until_ready()
        except BaseException:
            self._servers.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._servers.close()

    async def wait_until_whole(self) -> Member:
        """The leader, once both others follow it, and Patroni counts on one of them to have everything."""

        async def leader_of_all() -> Member | None:
            leader = await _leader(self._members, lambda followers: followers == ["async", "sync"])
            return leader if leader and "sync_standby" in await _roles(leader) else None

        return await _found(leader_of_all, "a leader whom both others follow")

    async def switch_over(self) -> None:
        """The leader hands over to its synchronous standby, as for the maintenance of its machine."""
        leader = await self.wait_until_whole()
        request = {"leader": leader.name}
        async with aiohttp.ClientSession() as http, http.post(f"{leader.api}/switchover", json=request) as response:
            if response.status != 200:
                raise Fault(f"Patroni did not switch over: {response.status} {await response.text()}")

    async def kill_leader(self) -> None:
        """The leader's PostgreSQL dies in the middle of whatever it does."""
        (await self.wait_until_whole()).kill_postgres()

    @asynccontextmanager
    async def frozen_leader(self) -> AsyncIterator[None]:
        """The leader's machine stands still; inside, another leads; afterwards it goes on as before."""
        leader = await self.wait_until_whole()
        with leader.frozen():
            others = [member for member in self._members if member is not leader]
            await _found(lambda: _leader(others, bool), "another leader")
            yield

    def _own(self, server: AServer) -> AServer:
        self._servers.callback(server.close)
        return server


async def _found(find: Callable[[], Awaitable[Member | None]], what: str) -> Member:
    """What *find* gives as soon as it gives something."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while (member := await find()) is None:
        if time.monotonic() > deadline:
            raise Fault(f"{what} was not found within {_WAIT_SECONDS} s")
        await asyncio.sleep(0.2)
    return member


async def _leader(members: Iterable[Member], is_followed: Callable[[list[str]], bool]) -> Member | None:
    """The one of *members* whose followers are as *is_followed* says."""
    for member in members:
        if is_followed(await _followers(member)):
            return member
    return None


async def _roles(member: Member) -> set[str]:
    """The roles of all members, as Patroni on this one knows them."""
    async with aiohttp.ClientSession() as http, http.get(f"{member.api}/cluster") as response:
        return {one["role"] for one in (await response.json())["members"]}


async def _followers(member: Member) -> list[str]:
    """How the servers that follow *member* do so; none follows a standby, or one that does not answer."""
    try:
        return [row["sync_state"] for row in await _ask(member, _FOLLOWERS)]
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return []


async def _ask(member: Member, statement: str) -> list[asyncpg.Record]:
    async with asyncio.timeout(_ANSWER_SECONDS):
        connection = await asyncpg.connect(member.url)
        try:
            return await connection.fetch(statement)
        finally:
            connection.terminate()
