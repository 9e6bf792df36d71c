"""Which pages there are for whom: in the bar at the top, and within the administration. Features add theirs."""

from dataclasses import dataclass

from aiohttp import web

from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role
from bodhi.server.http.paths import ADMIN_PATH


@dataclass(frozen=True, slots=True)
class Entry:
    """One page, for those who have at least *role*; None: for everybody who is logged in."""

    title: str
    path: str
    role: Role | None = None
    area: str | None = None  # the path below which are further pages

    def is_for(self, person: SessionUser) -> bool:
        """Whether *person* may use the page."""
        return self.role is None or (person.role is not None and person.role.grants(self.role))

    def holds(self, here: str) -> bool:
        """Whether *here* is the page, or one of its area."""
        return here == self.path or (self.area is not None and f"{here}/".startswith(f"{self.area}/"))


class Navigation:
    """The pages to go to."""

    def __init__(self) -> None:
        self.bar: list[Entry] = []
        self.administration: list[Entry] = []

    def bar_of(self, person: SessionUser | None) -> list[Entry]:
        """The entries of the bar, the administration last; none for those who are not logged in."""
        if person is None:
            return []
        entries = [entry for entry in self.bar if entry.is_for(person)]
        administration = self.administration_of(person)
        return entries + [Entry("Admin", one.path, area=ADMIN_PATH) for one in administration[:1]]

    def administration_of(self, person: SessionUser | None) -> list[Entry]:
        """The pages of the administration."""
        return [entry for entry in self.administration if person is not None and entry.is_for(person)]


NAVIGATION = web.AppKey("NAVIGATION", Navigation)
