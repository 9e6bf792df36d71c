"""Navigation: the entries of the top bar and of the administration pages. Features add their own."""

from dataclasses import dataclass

from aiohttp import web

from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role
from bodhi.server.http.paths import ADMIN_PATH


@dataclass(frozen=True, slots=True)
class Entry:
    """A page for users with at least *role*; None: for every logged-in user."""

    title: str
    path: str
    role: Role | None = None
    area: str | None = None  # path prefix of further pages under this entry

    def is_for(self, user: SessionUser) -> bool:
        """Whether *user* has access to the page."""
        return self.role is None or (user.role is not None and user.role.grants(self.role))

    def holds(self, here: str) -> bool:
        """Whether the path *here* is this page or a page of its area."""
        return here == self.path or (self.area is not None and f"{here}/".startswith(f"{self.area}/"))


class Navigation:
    """All navigation entries."""

    def __init__(self) -> None:
        self.bar: list[Entry] = []
        self.administration: list[Entry] = []

    def bar_of(self, user: SessionUser | None) -> list[Entry]:
        """Return the bar's entries for *user*, the administration last; none for anonymous users."""
        if user is None:
            return []
        entries = [entry for entry in self.bar if entry.is_for(user)]
        administration = self.administration_of(user)
        return entries + [Entry("Admin", entry.path, area=ADMIN_PATH) for entry in administration[:1]]

    def administration_of(self, user: SessionUser | None) -> list[Entry]:
        """Return the administration pages for *user*."""
        return [entry for entry in self.administration if user is not None and entry.is_for(user)]


NAVIGATION = web.AppKey("NAVIGATION", Navigation)
