"""Everybody who logged in, with the role they had last."""

import pytest

from bodhi.auth.people import People, Person
from bodhi.auth.refusal import Refusal
from bodhi.auth.scopes import Role
from bodhi.database import open_database


class Counting:
    """A database that counts what is written."""

    def __init__(self, database):
        self._database = database
        self.written = []

    async def maybe(self, name, **values):
        return await self._database.maybe(name, **values)

    async def count(self, name, **values):
        self.written.append(name)
        return await self._database.count(name, **values)


@pytest.fixture
def database(application):
    """The database, and what is written to it."""
    return Counting(application)


@pytest.fixture
def people(database, clock):
    """The people of one node."""
    return People(database, clock=clock)


async def test_who_was_never_seen_has_no_role(people):
    """Nothing is known."""
    assert (None, None) == (await people.find("alice"), await people.role_of("alice"))


async def test_somebody_is_remembered_with_their_role(people):
    """Also without one."""
    for role in (None, *Role):
        await people.note("alice", "alice@example.org", role)

        assert Person("alice@example.org", role) == await people.find("alice")
        assert role == await people.role_of("alice")


async def test_only_what_changed_is_written(people, database):
    """A refresh every few minutes costs a read."""
    for role in (Role.USER, Role.USER, Role.ADMIN, Role.ADMIN, None, None):
        await people.note("alice", "alice", role)
    await people.note("alice", "Alice", None)
    await people.note("Alice", "Alice", None)

    assert 5 == len(database.written)
    assert Person("Alice", None) == await people.find("alice")


async def test_a_role_is_set_where_somebody_is_known(people):
    """Who never logged in is noted when they do."""
    await people.note("alice", "alice", Role.USER)

    await people.set_role("alice", Role.MANAGER)
    await people.set_role("bob", Role.MANAGER)

    assert (Role.MANAGER, None) == (await people.role_of("alice"), await people.role_of("bob"))


async def test_who_was_removed_has_no_role_until_they_log_in_again(people):
    """A role that is set late changes nothing."""
    await people.note("alice", "alice", Role.ADMIN)

    await people.remove("alice")
    await people.set_role("alice", Role.ADMIN)
    assert Person("alice", None, is_removed=True) == await people.find("alice")

    await people.note("alice", "alice", Role.USER)
    assert Person("alice", Role.USER) == await people.find("alice")


async def test_a_removal_is_remembered_of_anybody(people):
    """So that it can be repeated."""
    await people.remove("alice")
    await people.remove("alice")

    assert Person("", None, is_removed=True) == await people.find("alice")


async def test_an_outage_is_told(database_url):
    """By its code, whatever is asked."""
    async with open_database(database_url) as database:
        people = People(database)

    for call in (
        people.role_of("alice"),
        people.note("alice", "alice", None),
        people.set_role("alice", Role.USER),
        people.remove("alice"),
    ):
        with pytest.raises(Refusal) as refused:
            await call
        assert ("auth_error-database_unavailable", 503) == (refused.value.code, refused.value.status)
