"""The people who have an account, and their role at each client."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid5

from bodhi.server.access.scopes import Role

_NAMESPACE = UUID("6f1d1f5e-3f0c-4c5a-9d0c-5f5b0d1e7a11")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    username: str
    given_name: str | None = None
    family_name: str | None = None

    @property
    def user_id(self) -> str:
        """The subject of this person's tokens: the same after every restart."""
        return str(uuid5(_NAMESPACE, self.username))

    def claims(self) -> dict[str, str]:
        """What tokens say about this person, beside the subject."""
        said = {
            "preferred_username": self.username,
            "given_name": self.given_name,
            "family_name": self.family_name,
            "email": f"{self.username}@example.org",
        }
        return {name: value for name, value in said.items() if value}


PEOPLE: tuple[tuple[Person, Role | None], ...] = (
    (Person("admin", "Ada", "Admin"), Role.ADMIN),
    (Person("manager", "Max", "Manager"), Role.MANAGER),
    (Person("power", "Pia", "Power"), Role.POWER_USER),
    (Person("user", "Uma", "User"), Role.USER),
    (Person("nobody", "Noa", "Nobody"), None),
)


class Accounts:
    """All people, in the order in which they came, and who has which role at which client."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._by_id: dict[str, Person] = {}
        self._roles: dict[tuple[str, str], Role] = {}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def add(self, person: Person) -> Person:
        """The same person, who has an account from now on."""
        self._people[person.username] = self._by_id[person.user_id] = person
        return person

    def named(self, username: str) -> Person | None:
        """The person with this username, or None."""
        return self._people.get(username)

    def with_id(self, user_id: str) -> Person | None:
        """The person with this subject, or None."""
        return self._by_id.get(user_id)

    def role(self, client_id: str, user_id: str) -> Role | None:
        """The role of somebody at a client, or None."""
        return self._roles.get((client_id, user_id))

    def assign(self, client_id: str, user_id: str, role: Role | None) -> None:
        """Give somebody this role at a client in place of the one they had; None takes it away."""
        if role is None:
            self._roles.pop((client_id, user_id), None)
        else:
            self._roles[client_id, user_id] = role

    def resource_access(self, client_ids: Iterable[str], user_id: str) -> dict[str, dict[str, list[str]]]:
        """Keycloak's claim of that name: the roles at each of these clients, where there are any."""
        found = ((client_id, self.role(client_id, user_id)) for client_id in client_ids)
        return {client_id: {"roles": [str(role)]} for client_id, role in found if role is not None}

    def members(self, client_id: str) -> list[tuple[Person, Role]]:
        """Everybody who has a role at this client."""
        found = ((person, self.role(client_id, person.user_id)) for person in self)
        return [(person, role) for person, role in found if role is not None]
