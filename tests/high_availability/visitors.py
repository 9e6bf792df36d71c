"""People who go on whatever the database does, and hold the nodes to everything that was answered with success."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bodhi.testing.identity_provider.accounts import Person
from rolling_upgrade.browsers import Browser, Site
from rolling_upgrade.cluster import Fault, Unanswered

ROLE = "resource_user"
_CHANGES = 20  # in a session
_PAUSE_SECONDS = 0.05
_QUESTION_SECONDS = 0.1


@dataclass
class Visitor:
    """Somebody who logs in, changes the session and logs out, over and over again."""

    site: Site
    person: Person

    async def do_something(self) -> None:
        """One session, from its beginning to its end."""
        browser = Browser(self.site)
        await _until_answered(lambda: self._log_in(browser))
        for number in range(_CHANGES):
            # Each under a name of its own: what was answered 503 may have happened, or happen yet.
            await browser.add(f"change-{number}", [self.site.cluster.any_node()])
            await _until_answered(lambda: browser.check_role(ROLE))
            await asyncio.sleep(_PAUSE_SECONDS)
        await browser.check()
        await _until_answered(lambda: browser.log_out(self.site.cluster.any_node()))

    async def _log_in(self, browser: Browser) -> None:
        browser.cookies.clear()  # what an unanswered login left behind is nobody's
        await browser.log_in(self.person, self.site.cluster.any_node(), self.site.cluster.any_node())


@dataclass
class Onlooker:
    """Somebody who asks ten times a second, without waiting for the answer: that shows for how long there is none."""

    browser: Browser
    questions: asyncio.TaskGroup

    async def do_something(self) -> None:
        """One question."""
        while not self.browser.cookies:  # a session that was not acknowledged is not this browser's
            self.browser.counters.clear()
            await self.browser.add("only", [self.browser.cluster.any_node()])
        self.questions.create_task(self._ask())
        await asyncio.sleep(_QUESTION_SECONDS)

    async def _ask(self) -> None:
        with suppress(Unanswered):
            answer = await self.browser.request(self.browser.cluster.any_node(), "GET", "/counters")
            if answer.body["counters"] != {"only": 1}:
                raise Fault(f"the session of one change became {answer.body}")


async def _until_answered(request: Callable[[], Awaitable[None]]) -> None:
    """Try again until no node answers 503."""
    while True:
        with suppress(Unanswered):
            return await request()
        await asyncio.sleep(_PAUSE_SECONDS)
