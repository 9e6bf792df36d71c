"""People who do one thing after the other, at any of the nodes, and compare what they are answered."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bodhi.testing.identity_provider.accounts import Person
from rolling_upgrade.browsers import Browser
from rolling_upgrade.cluster import Answer, Fault, Node, Unanswered

ROLES = ("resource_user", "resource_power_user")


@dataclass
class Administrator:
    """Somebody who changes what others may do; one change at a time."""

    browser: Browser
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def act(self, method: str, path: str, body: object = None, *, expected: int = 200) -> object:
        """What a node answers to a change."""
        async with self.turn:
            node = self.browser.cluster.any_node()
            return (await self.at(node, method, path, body, expected=expected)).body

    async def at(self, node: Node, method: str, path: str, body: object = None, *, expected: int = 200) -> Answer:
        """The same at one node, while nobody else is there."""
        return await self.browser.act(node, method, path, body, expected=(expected,))


@dataclass
class Visitor:
    """Somebody with one session at a time."""

    browser: Browser
    person: Person
    administrator: Administrator
    role: str = ROLES[0]

    async def do_something(self) -> None:
        """One step."""
        cluster = self.browser.cluster
        await self.browser.add_in_parallel(random.choice((1, 3, 5)), random.choice((1, 2)))
        await self.browser.check()
        if self.browser.person is None:
            steps = [self.log_in, self.log_in, self.rotate]
        else:
            steps = [self.rotate, self.log_out, self.be_revoked, self.change_role, self.use_tokens, self.look]
            steps += [self.rotate, self.look, self.be_remembered]
        await random.choice(steps)()
        cluster.events["steps of visitors"] += 1

    async def log_in(self) -> None:
        """From an anonymous session."""
        cluster = self.browser.cluster
        await self.browser.log_in(self.person, cluster.any_node(), cluster.any_node())
        await self.look()

    async def look(self) -> None:
        """Who is logged in; that refreshes the tokens where they have expired, for several requests at once."""
        await asyncio.gather(*(self.browser.check_role(self.role) for _ in range(3)))

    async def rotate(self) -> None:
        """Move to a new id."""
        await self.browser.rotate(self.browser.cluster.any_node())

    async def be_remembered(self) -> None:
        """Have a session whose end moves."""
        node = self.browser.cluster.any_node()
        await self.browser.request(node, "POST", f"/remember/{random.randint(3600, 7200)}")
        self.browser.cluster.events["ends of sessions moved"] += 1

    async def log_out(self) -> None:
        """Be anonymous again."""
        await self.browser.log_out(self.browser.cluster.any_node())

    async def be_revoked(self) -> None:
        """By an administrator: one session, or all of them."""
        handle = await self.browser.check()
        path = f"/bodhi/v1/users/{self.person.user_id}/sessions"
        if random.random() < 0.5:
            await self.administrator.act("DELETE", f"{path}/{handle}", expected=204)
        elif (ended := await self.administrator.act("DELETE", path)) != {"ended": 1}:
            raise Fault(f"one session of {self.person.username} should have ended: {ended}")
        self.browser.cluster.events["sessions revoked by an administrator"] += 1
        await self.browser.forget()

    async def change_role(self) -> None:
        """By an administrator: it ends all sessions, and holds from the next login on."""
        self.role = ROLES[1 - ROLES.index(self.role)]
        await self.administrator.act("PUT", f"/bodhi/v1/users/{self.person.user_id}/role", {"role": self.role})
        self.browser.cluster.events["roles changed"] += 1
        await self.browser.forget()
        await self.log_in()

    async def use_tokens(self) -> None:
        """An API token of one node works at every node, until it is deleted."""
        cluster = self.browser.cluster
        if self.role != ROLES[1]:
            await self.change_role()
        made = await self.browser.act(
            cluster.any_node(), "POST", "/bodhi/v1/tokens", {"scope": "scope_token_user"}, expected=(201,)
        )
        token = made.body["token"]
        for node in list(cluster.nodes):
            try:
                found = await cluster.request(node, "GET", "/bodhi/v1/user", token=token)
            except Unanswered:
                continue
            if found.body != {"auth_status": "api_token", "role": "scope_token_user"}:
                raise Fault(f"an API token is {found.body} at a node of the {node.version} version")
        listed = await self.browser.request(cluster.any_node(), "GET", "/bodhi/v1/tokens")
        token_id = listed.body["data"][0]["id"]
        await self.browser.request(cluster.any_node(), "DELETE", f"/bodhi/v1/tokens/{token_id}", expected=(204,))
        for node in list(cluster.nodes):
            try:
                found = await cluster.request(node, "GET", "/bodhi/v1/user", token=token)
            except Unanswered:
                continue
            if found.body != {"auth_status": "logged_out"}:
                raise Fault(f"a deleted API token is {found.body} at a node of the {node.version} version")
        cluster.events["API tokens made, used and deleted"] += 1


class Busy(Protocol):
    """Somebody who does one thing after the other."""

    async def do_something(self) -> None:
        """One step."""


@dataclass
class Traffic:
    """All visitors at once, for as long as something else takes: ``async with Traffic(visitors):``."""

    visitors: Sequence[Busy]
    steps: int = 0  # that each of them takes at least
    _ending: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(self._visit(visitor)) for visitor in self.visitors]

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ending = True
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=kind is not None)

    async def _visit(self, visitor: Busy) -> None:
        step = 0
        while step < self.steps or not self._ending:
            await visitor.do_something()
            step += 1
