"""User accounts, and their roles at each client."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid5

from bodhi.server.access.scopes import Role

_NAMESPACE = UUID("6f1d1f5e-3f0c-4c5a-9d0c-5f5b0d1e7a11")


@dataclass(frozen=True, slots=True)
class Person:
    """A user account."""

    username: str
    given_name: str | None = None
    family_name: str | None = None

    @property
    def user_id(self) -> str:
        """The subject of the user's tokens, the same after every restart."""
        return str(uuid5(_NAMESPACE, self.username))

    def claims(self) -> dict[str, str]:
        """Return the profile claims of the user's tokens, without the subject."""
        claims = {
            "preferred_username": self.username,
            "given_name": self.given_name,
            "family_name": self.family_name,
            "email": f"{self.username}@example.org",
        }
        return {name: value for name, value in claims.items() if value}


PEOPLE: tuple[tuple[Person, Role | None], ...] = (
    (Person("admin", "Ada", "Admin"), Role.ADMIN),
    (Person("manager", "Max", "Manager"), Role.MANAGER),
    (Person("power", "Pia", "Power"), Role.POWER_USER),
    (Person("user", "Uma", "User"), Role.USER),
    (Person("nobody", "Noa", "Nobody"), None),
)


class Accounts:
    """All accounts in the order of creation, and their roles."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._by_id: dict[str, Person] = {}
        self._roles: dict[tuple[str, str], Role] = {}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def add(self, person: Person) -> Person:
        """Add the account and return it."""
        self._people[person.username] = self._by_id[person.user_id] = person
        return person

    def named(self, username: str) -> Person | None:
        """Return the user with this username, or None."""
        return self._people.get(username)

    def with_id(self, user_id: str) -> Person | None:
        """Return the user with this subject, or None."""
        return self._by_id.get(user_id)

    def role(self, client_id: str, user_id: str) -> Role | None:
        """Return the user's role at a client, or None."""
        return self._roles.get((client_id, user_id))

    def assign(self, client_id: str, user_id: str, role: Role | None) -> None:
        """Set the user's role at a client; None removes it."""
        if role is None:
            self._roles.pop((client_id, user_id), None)
        else:
            self._roles[client_id, user_id] = role

    def resource_access(self, client_ids: Iterable[str], user_id: str) -> dict[str, dict[str, list[str]]]:
        """Return Keycloak's claim ``resource_access``: the user's roles at each of these clients."""
        roles = ((client_id, self.role(client_id, user_id)) for client_id in client_ids)
        return {client_id: {"roles": [str(role)]} for client_id, role in roles if role is not None}

    def members(self, client_id: str) -> list[tuple[Person, Role]]:
        """Return the users with a role at this client."""
        roles = ((person, self.role(client_id, person.user_id)) for person in self)
        return [(person, role) for person, role in roles if role is not None]
