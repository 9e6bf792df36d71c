"""Browsers: what one of them was answered has to hold at every node."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from bodhi.testing import DevelopmentProvider
from bodhi.testing.identity_provider.accounts import Person
from rolling_upgrade.cluster import OLD, Answer, Cluster, Fault, Node, Unanswered

RECENT_LOGIN_REQUIRED = "auth_error-recent_login_required"


@dataclass
class Site:
    """What all browsers meet."""

    cluster: Cluster
    provider: DevelopmentProvider
    ended: list[dict[str, str]] = field(default_factory=list)  # cookies of sessions that ended

    @contextmanager
    def access_tokens_of(self, seconds: float) -> Iterator[None]:
        """Inside, access tokens live as long as that; one at a time."""
        realm = self.provider.realm
        usual, realm.access_token_seconds = realm.access_token_seconds, seconds
        try:
            yield
        finally:
            realm.access_token_seconds = usual

    async def expect_ended(self, cookies: dict[str, str]) -> None:
        """No node knows the session, now and later."""
        self.ended.append(cookies)
        for node in self.cluster.nodes:
            await self.expect_unknown(cookies, node)

    async def expect_unknown(self, cookies: dict[str, str], node: Node) -> None:
        """The node does not know the session."""
        try:
            found = (await self.cluster.request(node, "GET", "/counters", cookies=cookies)).body
        except Unanswered:
            return
        if found != {"handle": "", "user_id": None, "counters": {}}:
            raise Fault(f"a session that ended is known to a node of the {node.version} version: {found}")
        self.cluster.events["ended sessions found ended"] += 1


@dataclass
class Browser:
    """A session, with all that is known to be in it: for each counter, the least and the most that it may be."""

    site: Site
    person: Person | None = None
    cookies: dict[str, str] = field(default_factory=dict)
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)
    login_version: str = ""  # of the node that completed the login
    access_token_seconds: float | None = None  # where those of its logins last otherwise than usual

    @property
    def cluster(self) -> Cluster:
        """The nodes."""
        return self.site.cluster

    async def request(
        self,
        node: Node,
        method: str,
        path: str,
        body: object = None,
        *,
        expected: Sequence[int] = (200,),
    ) -> Answer:
        """The answer of *node*; what it says of cookies counts from now on."""
        answer = await self.cluster.request(node, method, path, body, cookies=self.cookies, expected=expected)
        for name, value in answer.cookies.items():
            self.cookies.pop(name, None)
            if value:
                self.cookies[name] = value
        return answer

    async def add(self, name: str, nodes: Sequence[Node], times: int = 1) -> None:
        """Count *times* under a name, at any of the nodes; one after the other."""
        for _ in range(times):
            low, high = self.counters.get(name, (0, 0))
            path = random.choice(("counters", "atomic-counters")) if self.counters else "counters"
            try:
                answer = await self.request(random.choice(nodes), "POST", f"/{path}/{name}")
            except Unanswered:
                self.counters[name] = low, high + 1
                name = f"{name}+"  # it may still be counted, when a later one has been
                continue
            if not low < answer.body["value"] <= high + 1:
                raise Fault(f"{name} of {low} to {high} became {answer.body['value']}")
            self.counters[name] = (answer.body["value"],) * 2
            self.cluster.events["changes acknowledged"] += 1

    async def add_in_parallel(self, counters: int, times: int) -> None:
        """Several counters of the one session at once, each request at any node."""
        if not self.cookies:  # or each of them would begin a session
            await self.add("first", [self.cluster.any_node()])
        names = [f"counter-{number}" for number in range(counters)]
        await asyncio.gather(*(self.add(name, self.cluster.nodes, times) for name in names))

    async def check(self, node: Node | None = None) -> str:
        """The handle of the session, after a look at all that is in it."""
        try:
            answer = await self.request(node or random.choice(self.cluster.nodes), "GET", "/counters")
        except Unanswered:
            await asyncio.sleep(0.05)
            return await self.check(self.cluster.any_node())
        found, user_id = answer.body["counters"], self.person and self.person.user_id
        if answer.body["user_id"] != user_id:
            raise Fault(f"the session of {user_id} became one of {answer.body['user_id']}")
        if unknown := set(found) - set(self.counters):
            raise Fault(f"nobody counted {unknown}")
        for name, (low, high) in self.counters.items():
            if not low <= found.get(name, 0) <= high:
                raise Fault(f"{name} is {found.get(name)} rather than {low} to {high}: a change is lost, or a session")
        self.cluster.events["sessions compared"] += 1
        return str(answer.body["handle"])

    async def check_role(self, role: str | None, node: Node | None = None) -> None:
        """Who the server says is logged in."""
        node = node or self.cluster.any_node()
        answer = await self.request(node, "GET", "/bodhi/v1/user")
        assert self.person is not None
        expected = {"auth_status": "logged_in", "user_id": self.person.user_id, "role": role}
        if {**answer.body, **expected} != answer.body:
            raise Fault(f"{self.person.username} as {role} is {answer.body} at a node of the {node.version} version")
        self.cluster.events["logins confirmed"] += 1

    async def log_in(self, person: Person, begin: Node, finish: Node, *, is_recent: bool = False) -> None:
        """A login that begins at one node and ends at another; the session moves to a new id."""
        before = dict(self.cookies)
        path = "/bodhi/v1/auth/initiate" + "?recent=true" * is_recent
        begun = await self.request(begin, "POST", path, expected=(201,))
        callback = await self.site.provider.log_in_url(begun.body["location"], person.username)
        before = before or dict(self.cookies)
        answer = dict(parse_qsl(urlsplit(callback).query))
        seconds = self.access_token_seconds
        with nullcontext() if seconds is None else self.site.access_tokens_of(seconds):
            await self.request(finish, "POST", "/bodhi/v1/auth/callback", answer)
        self.person, self.counters, self.login_version = person, {}, finish.version
        self.cluster.events["logins"] += 1
        await self.site.expect_ended(before)

    async def act(
        self, node: Node, method: str, path: str, body: object = None, *, expected: Sequence[int] = (200,)
    ) -> Answer:
        """The answer to something that the new version wants a recent login for, and 0.1.0 does not note one."""
        answer = await self.request(node, method, path, body, expected=(*expected, 403))
        if answer.status != 403:
            return answer
        if answer.code != RECENT_LOGIN_REQUIRED or node.version == OLD or self.login_version != OLD:
            raise Fault(f"{method} {path} at a node of the {node.version} version: {answer.body}")
        self.cluster.events["asked for a recent login, since a node of the old version completed the last"] += 1
        assert self.person is not None
        await self.log_in(self.person, node, node, is_recent=True)
        return await self.request(node, method, path, body, expected=expected)

    async def rotate(self, node: Node) -> None:
        """The session moves to a new id, and the old one is dead."""
        before = dict(self.cookies)
        await self.request(node, "POST", "/rotate")
        self.cluster.events["rotations"] += 1
        await self.site.expect_ended(before)
        await self.check()

    async def log_out(self, node: Node) -> None:
        """The session ends."""
        before = dict(self.cookies)
        await self.request(node, "POST", "/bodhi/v1/logout")
        self.cluster.events["logouts"] += 1
        await self.forget(before)

    async def forget(self, cookies: dict[str, str] | None = None) -> None:
        """The session has ended, by whatever: no node knows it, and the browser begins a new one."""
        await self.site.expect_ended(dict(cookies or self.cookies))
        self.cookies, self.counters, self.person = {}, {}, None
