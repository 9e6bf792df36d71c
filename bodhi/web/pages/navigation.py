"""Which pages there are for whom, as the bar at the top lists them."""

from dataclasses import dataclass

from bodhi.auth.context import SessionUser
from bodhi.auth.scopes import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """One page in the bar, for those who have at least *role*; None: for everybody who is logged in."""

    title: str
    path: str
    role: Role | None = None

    def is_for(self, person: SessionUser) -> bool:
        """Whether *person* may use the page."""
        return self.role is None or (person.role is not None and person.role.grants(self.role))


HOME = Entry("Home", "/ui")
SESSIONS = Entry("Sessions", "/ui/sessions")
ACCESS_REQUESTS = Entry("Access requests", "/ui/access-requests", Role.MANAGER)
ACTIVITY = Entry("Activity", "/ui/activity", Role.ADMIN)
ENTRIES = (HOME, SESSIONS, ACCESS_REQUESTS, ACTIVITY)


def navigation_of(person: SessionUser | None) -> list[Entry]:
    """The entries of the bar; none for those who are not logged in."""
    return [entry for entry in ENTRIES if person is not None and entry.is_for(person)]
