"""Stored profiles with the last known roles."""

import asyncio
import time
from datetime import timedelta

import pytest

from bodhi.database import Schema, open_database
from bodhi.errors import BodhiError
from bodhi.server.access.errors import api_error_of
from bodhi.server.access.profile_lists import ProfileSummary
from bodhi.server.access.profiles import Profile, Profiles
from bodhi.server.access.scopes import Role
from bodhi.server.access.times import milliseconds_of

# Who is found by which text.
FOUND = {
    "": ["a/b c%2F", "id-4", "ID-1", "id-2", "id-5", "id-3"],
    "ANN": ["id-4", "ID-1", "id-2"],
    "ann lee": ["id-4"],
    " Ann \n lee ": ["id-4"],
    "%": ["a/b c%2F", "ID-1"],
    "_": ["id-2"],
    "*": [],
    "zoë ångström": ["id-3"],
    "ZOE\N{COMBINING DIAERESIS} \N{ANGSTROM SIGN}": ["id-3"],
    "Straße \N{GRINNING FACE}": ["id-5"],
    "<SCRIPT>": ["a/b c%2F"],
    "id-1": ["ID-1"],
    "B C%2f": ["a/b c%2F"],
    "leeid-2": [],
    "lee id-2": [],
    "'": [],
    "\\": [],
    "x" * 1_000: [],
}


class Counting:
    """A database that counts writes."""

    def __init__(self, database):
        self._database = database
        self.written = []

    async def maybe(self, name, **values):
        return await self._database.maybe(name, **values)

    async def many(self, name, **values):
        return await self._database.many(name, **values)

    async def count(self, name, **values):
        self.written.append(name)
        return await self._database.count(name, **values)


@pytest.fixture
def has_tables():
    """No tables: some of these tests migrate from older versions."""
    return False


@pytest.fixture
def database(application):
    """The database, with counted writes."""
    return Counting(application)


@pytest.fixture
def people(database, clock):
    """The profiles on one node."""
    return Profiles(database, clock=clock)


async def test_unknown_user_has_no_role(people):
    """Nothing is known."""
    assert (None, None) == (await people.find("alice"), await people.role_of("alice"))


async def test_user_is_stored_with_their_role(people):
    """Also without one."""
    for role in (None, *Role):
        await people.note("alice", "alice@example.org", role)

        assert Profile("alice@example.org", role) == await people.find("alice")
        assert role == await people.role_of("alice")


async def test_unchanged_profile_is_not_written(people, database):
    """A refresh every few minutes costs a read, within an hour."""
    for role in (Role.USER, Role.USER, Role.ADMIN, Role.ADMIN, None, None):
        await people.note("alice", "alice", role)
    await people.note("alice", "Alice", None)
    for _ in range(2):
        await people.note("alice", "Alice", None, full_name="Alice Liddell")
    await people.note("Alice", "Alice", None)

    assert 6 == len(database.written)
    assert Profile("Alice", None) == await people.find("alice")


async def test_last_visit_is_stored_to_the_hour(people, database, clock):
    """What is noted in between costs no write; a role that others change is no visit."""
    await people.note("alice", "alice", Role.USER)
    first = (await people.look_up("alice")).seen_at
    clock.advance(3_599_999)
    await people.note("alice", "alice", Role.USER)
    await people.set_role("alice", Role.MANAGER)
    assert first == (await people.look_up("alice")).seen_at

    clock.advance(1)
    await people.note("alice", "alice", Role.MANAGER)

    assert first + timedelta(hours=1) == (await people.look_up("alice")).seen_at
    assert ["note_person", "change_person_role", "see_person"] == database.written


async def test_user_known_only_by_a_role_has_no_last_visit(people):
    """A removal is no visit either."""
    await people.remove("bob")

    assert ProfileSummary("bob", "", None, is_removed=True, seen_at=None) == await people.look_up("bob")
    assert await people.look_up("alice") is None


async def found(people, text="", **options):
    """Return the ids of the search results."""
    return [person.user_id for person in await people.search(text, size=10, **options)]


@pytest.fixture
async def store_users(people):
    """Store some users, not in the order of their names."""
    for user_id, username in {
        "id-3": "Zoë Ångström",
        "ID-1": "ann%lee",
        "id-2": "Ann_Lee",
        "id-4": "ann   lee",
        "a/b c%2F": "<script>alert(1)</script>",
        "id-5": "STRASSE \N{GRINNING FACE}",
    }.items():
        await people.note(user_id, username, Role.USER)


async def test_users_are_found_by_a_part_of_their_name_or_id(people, store_users):
    """In the order of their names, whatever letters are capital, and literally."""
    assert FOUND == {text: await found(people, text) for text in FOUND}


async def test_users_are_found_by_a_part_of_their_full_name(people):
    """It is no part of the order; a name that is gone finds nobody."""
    await people.note("id-1", "zoe", None, full_name="Ann  de la Cruz")
    await people.note("id-2", "ann", None, full_name="\N{OLD PERSIAN NUMBER HUNDRED}" * 10_000)

    assert (["id-1"], ["id-2", "id-1"]) == (await found(people, "DE LA C"), await found(people, "ann"))
    assert "Ann  de la Cruz" == (await people.look_up("id-1")).full_name
    await people.note("id-1", "zoe", None, full_name="Zoe Cruz")
    assert ([], ["id-1"]) == (await found(people, "de la"), await found(people, "zoe cruz"))
    assert ["Zoe Cruz"] == [one.full_name for one in await people.list_page(size=1)]


async def test_refresh_without_a_full_name_keeps_it(people, database, clock):
    """Providers may leave it out of the ID tokens of refreshes; those of logins decide."""
    await people.note("id-1", "ann", Role.USER, full_name="Ann de la Cruz")
    for name in ("ann", "anna"):
        await people.note("id-1", name, Role.USER, is_login=False)
        assert "Ann de la Cruz" == (await people.look_up("id-1")).full_name
        assert ["id-1"] == await found(people, "de la")
    assert 2 == len(database.written)
    clock.advance(hours=2)
    await people.note("id-1", "anna", Role.USER, is_login=False)
    assert ["id-1"] == await found(people, "de la")

    await people.note("id-1", "anna", Role.USER, full_name="Anna Cruz", is_login=False)
    assert ["id-1"] == await found(people, "anna cruz")
    await people.note("id-1", "anna", Role.USER)
    assert "" == (await people.look_up("id-1")).full_name


async def test_nodes_of_the_previous_version_keep_the_full_name(people, application):
    """They store everything else of a user."""
    await people.note("id-1", "ann", Role.USER, full_name="Ann de la Cruz")

    await application.script(
        "INSERT INTO bodhi_person (user_id, username, role, removed, updated_at) VALUES ('id-1', 'ann', NULL, 0, 5) "
        "ON CONFLICT (user_id) DO UPDATE SET role = excluded.role"
    )
    await application.script(
        "INSERT INTO bodhi_person (user_id, username, removed, updated_at) VALUES ('b', 'b', 0, 5)"
    )

    assert ("Ann de la Cruz", None) == ((one := await people.look_up("id-1")).full_name, one.role)
    assert "" == (await people.look_up("b")).full_name


async def test_user_pages_continue_after_the_previous_one(people):
    """Also among namesakes, and after somebody who got another name meanwhile."""
    for number in range(5):
        await people.note(f"id-{number}", "ann" if number < 3 else "bob", None)
    listed, page = [], []
    while page := await people.search(after=page[-1].position if page else None, size=2):
        listed += [person.user_id for person in page]
        await people.note("id-0", "aaron", None)

    assert ["id-0", "id-1", "id-2", "id-3", "id-4"] == listed
    (third,) = await people.search("id-3", size=1)
    assert ["id-4"] == await found(people, "B", after=third.position)
    assert ["id-1", "id-2"] == await found(people, "ann", before=third.position)


async def test_names_may_be_of_any_length(people):
    """Only their beginning is looked in."""
    for user_id, username in {
        "long": "x" * 99 + "yz" * 50_000,
        "wide": "\N{OLD PERSIAN NUMBER HUNDRED}" * 10_000,
    }.items():
        await people.note(user_id, username, None)

    assert (["long"], []) == (await found(people, "xy"), await found(people, "yz"))


async def test_profiles_of_earlier_versions_are_found(database_url, clock):
    """The migration makes what one looks in of what there is."""
    async with open_database(database_url, limit_seconds=60) as database:
        older = Schema(database, "application")
        del older.migrations[2:]
        await older.migrate()
        for user_id, username in {"Id-1": "Ann", "id-2": ""}.items():
            values = ", ".join(f"'{one}'" for one in (user_id, username))
            await database.script(
                f"INSERT INTO bodhi_person (user_id, username, removed, updated_at) VALUES ({values}, 0, 5)"
            )
        await Schema(database, "application").migrate()
        people = Profiles(database, clock=clock)

        assert ["Id-1"] == await found(people, "ANN")
        assert [None, 5] == [one.seen_at and milliseconds_of(one.seen_at) for one in await people.search("id", size=5)]
        await people.note("id-2", "", None)
        assert (await people.look_up("id-2")).seen_at is not None


async def test_role_is_set_for_known_users(people):
    """Who never logged in is noted when they do."""
    await people.note("alice", "alice", Role.USER)

    await people.set_role("alice", Role.MANAGER)
    await people.set_role("bob", Role.MANAGER)

    assert (Role.MANAGER, None) == (await people.role_of("alice"), await people.role_of("bob"))


async def test_removed_user_has_no_role_until_the_next_login(people):
    """A role that is set late changes nothing."""
    await people.note("alice", "alice", Role.ADMIN)

    await people.remove("alice")
    await people.set_role("alice", Role.ADMIN)
    assert Profile("alice", None, is_removed=True) == await people.find("alice")

    await people.note("alice", "alice", Role.USER)
    assert Profile("alice", Role.USER) == await people.find("alice")


async def test_role_is_valid_for_a_time_after_its_confirmation(people, clock):
    """By whatever confirms it; who may act on somebody is decided by their last role all the same."""
    month = timedelta(days=30) // timedelta(milliseconds=1)
    await people.note("alice", "alice", Role.ADMIN)
    clock.advance(month - 1)
    assert Role.ADMIN == await people.role_of("alice")

    clock.advance(1)
    assert (None, Role.ADMIN) == (await people.role_of("alice"), await people.last_role_of("alice"))
    assert Profile("alice", None) == await people.find("alice")

    await people.note("alice", "alice", Role.ADMIN, is_login=False)
    assert Role.ADMIN == await people.role_of("alice")
    clock.advance(month)
    await people.set_role("alice", Role.MANAGER)
    clock.advance(month - 1)
    assert Role.MANAGER == await people.role_of("alice")


async def test_older_observation_does_not_overwrite_a_role_change(people):
    """A removal, a role that was given, and one that was lost; of that person alone."""
    for change in (
        lambda: people.remove("alice"),
        lambda: people.set_role("alice", Role.USER),
        lambda: people.note("alice", "alice", None),
    ):
        await people.note("alice", "alice", Role.ADMIN)
        since = await people.last_change()
        await change()
        before = await people.find("alice")

        assert not await people.note("alice", "alice", Role.ADMIN, since=since)
        assert before == await people.find("alice")
        assert await people.note("bob", "bob", Role.ADMIN, since=since)
        assert await people.note("alice", "alice", Role.ADMIN, since=await people.last_change())
        assert Profile("alice", Role.ADMIN) == await people.find("alice")


async def test_role_versions_are_compared_within_the_statement(people, application, clock, monkeypatch):
    """A change that comes between looking and writing counts, too."""
    await people.note("alice", "alice", Role.USER)
    since = await people.last_change()
    genuine = application.count

    async def beside(name, **values):
        if name == "note_person":
            monkeypatch.undo()
            await people.remove("alice")
        return await genuine(name, **values)

    monkeypatch.setattr(application, "count", beside)

    assert not await people.note("alice", "alice", Role.ADMIN, since=since)
    assert Profile("alice", None, is_removed=True) == await people.find("alice")


async def test_role_change_of_an_unknown_user_is_stored(people):
    """Their first login may be under way."""
    for user_id, change in {"bob": people.remove, "eve": lambda user_id: people.set_role(user_id, Role.USER)}.items():
        since = await people.last_change()
        await change(user_id)

        assert not await people.note(user_id, "somebody", Role.ADMIN, since=since)
        assert await people.role_of(user_id) is None


async def test_refresh_does_not_restore_a_removed_user(people):
    """Whenever it began: that takes a login."""
    await people.note("alice", "alice", Role.USER)
    await people.remove("alice")

    assert not await people.note("alice", "alice", Role.USER, since=await people.last_change(), is_login=False)
    assert Profile("alice", None, is_removed=True) == await people.find("alice")


async def test_concurrent_role_changes_have_versions_per_user(people, application):
    """Whatever order they come in, each is seen by who looked before it."""
    for number in range(4):
        await people.note(f"id-{number}", "somebody", Role.ADMIN)
    since = await people.last_change()

    await asyncio.gather(*(people.set_role(f"id-{number % 4}", Role.USER) for number in range(12)))

    assert [False] * 4 == [await people.note(f"id-{number}", "x", Role.ADMIN, since=since) for number in range(4)]


async def test_losing_a_role_clears_the_token_caches(people):
    """A role that grows takes nothing away."""
    forgotten = []
    people.forget_user = (forgotten.append,)
    for role in (None, Role.USER, Role.USER, Role.ADMIN):
        await people.note("alice", "alice", role)
    assert [] == forgotten

    await people.note("alice", "alice", Role.MANAGER)
    await people.note("alice", "alice", None)
    await people.set_role("bob", Role.USER)
    await people.remove("eve")
    assert ["alice", "alice", "bob", "eve"] == forgotten


async def test_upgrade_keeps_stored_roles_valid(database_url):
    """Who was seen last long ago has the whole time from then on; so has whom a node of before adds."""
    async with open_database(database_url, limit_seconds=60) as database:
        older = Schema(database, "application")
        del older.migrations[3:]
        await older.migrate()
        await database.script(ADD.format("id-1", "5, 5"))
        await Schema(database, "application").migrate()
        people = Profiles(database)
        assert Role.USER == await people.role_of("id-1")

        await database.script(ADD.format("id-2", "5, 5"))
        assert (None, Role.USER) == (await people.role_of("id-2"), await people.last_role_of("id-2"))
        now = time.time_ns() // 1_000_000
        await database.script(ADD.format("id-3", f"{now}, {now}"))
        assert Role.USER == await people.role_of("id-3")


ADD = """
INSERT INTO bodhi_person (user_id, username, role, removed, updated_at, seen_at)
VALUES ('{}', 'ann', 'resource_user', 0, {})
"""


async def test_removal_of_an_unknown_user_is_stored(people):
    """So that it can be repeated."""
    await people.remove("alice")
    await people.remove("alice")

    assert Profile("", None, is_removed=True) == await people.find("alice")


async def test_outage_is_reported_as_database_unavailable(database_url):
    """By its code, whatever is asked."""
    async with open_database(database_url) as database:
        people = Profiles(database)

    for call in (
        people.role_of("alice"),
        people.search("alice", size=1),
        people.note("alice", "alice", None),
        people.set_role("alice", Role.USER),
        people.remove("alice"),
    ):
        with pytest.raises(BodhiError) as refused:
            await call
        error = api_error_of(refused.value)
        assert ("auth_error-database_unavailable", 503) == (error.code, error.status)
