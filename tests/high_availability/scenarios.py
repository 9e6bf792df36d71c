"""What happens to a cluster, gone through with requests under way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from high_availability.nodes import Nodes
from high_availability.postgres import PostgresCluster
from high_availability.visitors import Onlooker, Visitor
from rolling_upgrade.browsers import Browser, Site
from rolling_upgrade.visitors import Busy, Traffic

_LOGOUTS = 3  # that a leader which is frozen misses


@dataclass
class Way:
    """Nodes that reach the database in one way, and the people who use them."""

    nodes: Nodes
    site: Site
    visitors: Sequence[Visitor]


async def switch_over(postgres: PostgresCluster, _: Sequence[Nodes]) -> None:
    """The leader hands over to a standby, as for the maintenance of its machine."""
    await postgres.switch_over()


async def kill(postgres: PostgresCluster, _: Sequence[Nodes]) -> None:
    """The leader's PostgreSQL dies in the middle of whatever it does."""
    await postgres.kill_leader()


async def freeze(postgres: PostgresCluster, ways: Sequence[Nodes]) -> None:
    """The leader's machine stands still until another leads and people have logged out there, and then goes on."""
    async with postgres.frozen_leader():
        await asyncio.gather(*(_more_logouts(nodes) for nodes in ways))


async def restart_nodes(_: PostgresCluster, ways: Sequence[Nodes]) -> None:
    """The nodes are replaced one by one."""
    await asyncio.gather(*(_restart(nodes) for nodes in ways))


SCENARIOS = {
    "switchover": switch_over,
    "kill -9 of the leader's PostgreSQL": kill,
    "a frozen leader that returns": freeze,
    "rolling restart of the nodes": restart_nodes,
}
Scenario = Callable[[PostgresCluster, Sequence[Nodes]], Awaitable[None]]


async def go_through(scenario: Scenario, postgres: PostgresCluster, ways: Sequence[Way]) -> None:
    """Let it happen while people use the nodes; a :exc:`Fault` in a group where anything is lost."""
    for way in ways:
        way.nodes.begin()
    async with asyncio.TaskGroup() as questions, AsyncExitStack() as traffic:
        for way in ways:
            traffic.callback(way.nodes.end)
            people: list[Busy] = [*way.visitors, Onlooker(Browser(way.site), questions)]
            await traffic.enter_async_context(Traffic(people, steps=1))
        await scenario(postgres, [way.nodes for way in ways])
        await postgres.wait_until_whole()
    for way in ways:
        way.nodes.check_log()
        for node in way.nodes.nodes:
            await asyncio.gather(*(way.site.expect_unknown(cookies, node) for cookies in way.site.ended))


async def _restart(nodes: Nodes) -> None:
    for node in list(nodes.nodes):
        await nodes.replace(node)


async def _more_logouts(nodes: Nodes) -> None:
    enough = nodes.events["logouts"] + _LOGOUTS
    while nodes.events["logouts"] < enough:
        await asyncio.sleep(0.1)
