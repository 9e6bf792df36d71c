"""Which pages there are for whom: in the bar at the top, and within the administration."""

from dataclasses import dataclass

from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """One page, for those who have at least *role*; None: for everybody who is logged in."""

    title: str
    path: str
    role: Role | None = None
    is_area: bool = False  # with further pages below its path

    def is_for(self, person: SessionUser) -> bool:
        """Whether *person* may use the page."""
        return self.role is None or (person.role is not None and person.role.grants(self.role))

    def holds(self, here: str) -> bool:
        """Whether *here* is the page, or one of its area."""
        return here == self.path or (self.is_area and here.startswith(f"{self.path}/"))


HOME = Entry("Home", "/ui")
SESSIONS = Entry("Sessions", "/ui/sessions")
TOKENS = Entry("Tokens", "/ui/tokens", Role.POWER_USER)
ADMIN = Entry("Admin", "/ui/admin", Role.MANAGER, is_area=True)
BAR = (HOME, SESSIONS, TOKENS, ADMIN)

PEOPLE = Entry("People", ADMIN.path, Role.MANAGER)
ACCESS_REQUESTS = Entry("Access requests", f"{ADMIN.path}/access-requests", Role.MANAGER)
ACTIVITY = Entry("Activity", f"{ADMIN.path}/activity", Role.ADMIN)
ALL_SESSIONS = Entry("All sessions", f"{ADMIN.path}/sessions", Role.ADMIN)
ALL_TOKENS = Entry("API tokens", f"{ADMIN.path}/tokens", Role.ADMIN)
SETTINGS = Entry("Settings", f"{ADMIN.path}/settings", Role.ADMIN)
ADMINISTRATION = (PEOPLE, ALL_SESSIONS, ACCESS_REQUESTS, ALL_TOKENS, SETTINGS, ACTIVITY)


def navigation_of(person: SessionUser | None) -> list[Entry]:
    """The entries of the bar; none for those who are not logged in."""
    return [entry for entry in BAR if person is not None and entry.is_for(person)]


def administration_of(person: SessionUser | None) -> list[Entry]:
    """The pages of the administration."""
    return [entry for entry in ADMINISTRATION if person is not None and entry.is_for(person)]
