"""The list of users: what it finds, in which order, and from page to page."""

import msgspec
import pytest

from bodhi.server.access.scopes import Role
from bodhi.server.http.paging import encode_cursor
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.server.users import listing
from bodhi.server.users.listing import ListQuery, UserList
from bodhi.session import DefaultSessionService

KEYS = ["a key for tests, of at least thirty-two characters"]
SORTED = {  # by what is sorted, in the first order and in the other one
    "username": (["", "ann", "bob", "cat", "dan", "eve"], ["eve", "dan", "cat", "bob", "ann", ""]),
    "name": (["", "bob", "eve", "dan", "cat", "ann"], ["ann", "cat", "dan", "", "bob", "eve"]),
    "role": (["dan", "cat", "ann", "bob", "eve", ""], ["", "eve", "ann", "bob", "cat", "dan"]),
    "sessions": (["cat", "ann", "", "bob", "dan", "eve"], ["", "bob", "dan", "eve", "ann", "cat"]),
    "active": (["cat", "eve", "ann", "bob", "dan", ""], ["", "dan", "bob", "ann", "eve", "cat"]),
}


@pytest.fixture
async def sessions(database_url, clock):
    """A session service on the same database, with the test's clock."""
    async with await DefaultSessionService.connect(database_url, keys=KEYS, sweep_seconds=None, clock=clock) as service:
        yield service


@pytest.fixture
def users(people, sessions):
    """The list."""
    return UserList(people, sessions.user_activity)


@pytest.fixture
async def known(people, sessions, clock):
    """Users with different names, roles, sessions and times; one was removed before they ever came."""
    await people.note("2", "dan", Role.ADMIN, full_name="Ada")
    clock.advance(hours=2)
    await people.note("1", "ann", Role.USER, full_name="\N{LATIN CAPITAL LETTER E WITH ACUTE}mile")
    await people.note("3", "bob", Role.USER)
    await sessions.create({"user_id": "4"})
    clock.advance(hours=2)
    await sessions.create({"user_id": "1"})
    await people.note("4", "cat", Role.MANAGER, full_name="BEA Cole")
    clock.advance(hours=2)
    await people.note("5", "eve", None)
    await people.remove("gone")
    clock.advance(hours=1)
    await sessions.create({"user_id": "4"})
    await sessions.create({"user_id": "unknown"})
    await sessions.create({"cart": 1})


async def names(users, viewer=Role.ADMIN, size=10, **query):
    """Return the usernames on a page."""
    page = await users.page(viewer, ListQuery(**query), size=size)
    return [user.profile.username for user in page.window.entries]


async def walk(users, size, **query):
    """Return the pages up to the last one, and then those back to the first."""
    page = (await users.page(Role.ADMIN, ListQuery(**query), size=size)).window
    there, back = [[user.profile.username for user in page.entries]], []
    while page.next:
        page = (await users.page(Role.ADMIN, ListQuery(**query, after=page.next), size=size)).window
        there.append([user.profile.username for user in page.entries])
    while page.previous:
        page = (await users.page(Role.ADMIN, ListQuery(**query, before=page.previous), size=size)).window
        back.append([user.profile.username for user in page.entries])
    return there, back


@pytest.mark.parametrize("sort", SORTED)
async def test_users_are_sorted_by_any_column(users, known, sort):
    """In both directions, equal ones by username; page by page, forward and back."""
    first, other = SORTED[sort]
    reverse = "asc" if sort in ListQuery.DESCENDING_FIRST else "desc"

    assert (first, other) == (await names(users, sort=sort), await names(users, sort=sort, order=reverse))
    for order, expected in (("", first), (reverse, other)):
        pages = [expected[:2], expected[2:4], expected[4:]]
        assert (pages, pages[1::-1]) == await walk(users, 2, sort=sort, order=order)


async def test_activity_is_that_of_all_sessions(users, known, clock):
    """Who has none was active when they were seen last."""
    page = await users.page(Role.ADMIN, ListQuery(), size=10)
    hours = {
        user.profile.username: user.active_at and (clock() - user.active_at.timestamp() * 1000) / 3_600_000
        for user in page.window.entries
    }

    assert {"": None, "ann": 3, "bob": 5, "cat": 0, "dan": 7, "eve": 1} == hours
    assert [0, 1, 0, 2, 0, 0] == [user.sessions for user in page.window.entries]
    assert (6, False) == (page.total, page.is_cut)


async def test_users_are_filtered_and_searched(users, known, people):
    """By role, by whether they have sessions, and by a part of a name or id; all at once."""
    await people.note("6", "Bea", Role.USER)
    found = {
        "resource_user": ["ann", "Bea", "bob"],
        "resource_admin": ["dan"],
        "resource_power_user": [],
        "none": ["eve"],
        "removed": [""],
    }
    for role, expected in found.items():
        page = await users.page(Role.ADMIN, ListQuery(role=role), size=10)
        assert (expected, len(expected)) == ([one.profile.username for one in page.window.entries], page.total)
    assert ["ann", "cat"] == await names(users, sessions="yes")
    assert ["cat", "ann"] == await names(users, sessions="yes", order="desc")
    assert ["Bea", "cat"] == await names(users, q=" bEA")
    assert ["cat"] == await names(users, q="bea  COLE", sessions="yes", role="resource_manager")
    assert [] == await names(users, q="bea", sessions="yes", role="resource_user")
    assert ["ann"] == await names(users, q="e\N{COMBINING ACUTE ACCENT}mi")
    for nothing in ("%", "_", "cat\n", "catbea"):
        assert ["cat"] * (nothing == "cat\n") == await names(users, q=nothing)


async def test_activity_of_users_above_the_viewer_is_hidden(users, known, sessions, clock):
    """No order and no filter tells it either."""
    clock.advance(hours=1)
    for _ in range(3):
        await sessions.create({"user_id": "2"})
    hidden = {"4", "2"}

    page = await users.page(Role.POWER_USER, ListQuery(), size=10)
    assert hidden == {user.profile.user_id for user in page.window.entries if user.sessions is None}
    assert ["ann", "", "bob", "eve", "cat", "dan"] == await names(users, Role.POWER_USER, sort="sessions")
    assert ["eve", "ann", "cat", "bob", "dan", ""] == await names(users, Role.POWER_USER, sort="active")
    assert ["ann"] == await names(users, Role.POWER_USER, sessions="yes")
    assert ["dan", "cat"] == await names(users, sort="sessions", size=2)


@pytest.mark.parametrize("query", [{}, {"order": "desc"}, {"sort": "name", "order": "asc"}, {"sort": "role"}])
async def test_pages_hold_while_users_come_and_go(users, people, query):
    """Who is there throughout is on one page, in each direction, wherever others are added."""
    for number in range(6):
        await people.note(str(number), f"user {number}", Role.USER, full_name=f"Name {number}")
    order = [f"user {number}" for number in range(6)]
    expected = order[::-1] if query.get("order") == "desc" else order

    first = (await users.page(Role.ADMIN, ListQuery(**query), size=2)).window
    await people.note("6", "user 0 and a half", Role.USER, full_name="Name 0 and a half")
    await people.note("7", "user 4 and a half", Role.USER, full_name="Name 4 and a half")
    second = (await users.page(Role.ADMIN, ListQuery(**query, after=first.next), size=2)).window
    back = (await users.page(Role.ADMIN, ListQuery(**query, before=second.previous), size=2)).window

    assert expected[2:4] == [user.profile.username for user in second.entries]
    assert [expected[1], f"user {'4' if expected[0] == 'user 5' else '0'} and a half"] == sorted(
        (user.profile.username for user in back.entries), key=len
    )
    start = (await users.page(Role.ADMIN, ListQuery(**query, before=back.previous), size=2)).window
    assert (expected[0], None) == (start.entries[0].profile.username, start.previous)
    assert 2 == len(start.entries)  # a whole first page


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 1000])
async def test_sorting_is_bounded(users, people, monkeypatch, page_size):
    """The first by username are sorted and filtered, and the page knows; the list by username has everybody."""
    monkeypatch.setattr(listing, "MOST", 3)
    monkeypatch.setattr(listing, "PAGE", page_size)
    for number in range(5):
        await people.note(str(number), f"user {number}", Role.USER, full_name=f"Name {9 - number}")

    page = await users.page(Role.ADMIN, ListQuery(sort="name"), size=10)
    assert (["user 2", "user 1", "user 0"], 4, True) == (
        [user.profile.username for user in page.window.entries],
        page.total,
        page.is_cut,
    )
    page = await users.page(Role.ADMIN, ListQuery(q="user 1", sort="name"), size=10)
    assert (1, 1, False) == (len(page.window.entries), page.total, page.is_cut)
    page = await users.page(Role.ADMIN, ListQuery(), size=2)
    assert (2, 4, True) == (len(page.window.entries), page.total, page.is_cut)
    assert [["user 0", "user 1"], ["user 2", "user 3"], ["user 4"]] == (await walk(users, 2))[0]
    assert 3 == (await users.page(Role.ADMIN, ListQuery(q="user", sort="name", order="desc"), size=10)).total - 1


async def test_hostile_names_and_ids_are_listed(users, people, sessions):
    """Such as end a statement, a JSON array or a line elsewhere."""
    for user_id, name in {
        '"],["': "a'--",
        "\\u0000": "b\N{RIGHT-TO-LEFT OVERRIDE}",
        "\N{GRINNING FACE}": "c" * 500,
    }.items():
        await people.note(user_id, name, None, full_name=name)
        await sessions.create({"user_id": user_id})

    for sort in SORTED:
        page = await users.page(Role.ADMIN, ListQuery(sort=sort, order="asc", sessions="yes"), size=2)
        rest = await users.page(
            Role.ADMIN, ListQuery(sort=sort, order="asc", sessions="yes", after=page.window.next), size=2
        )
        assert [1, 1, 1] == [user.sessions for user in (*page.window.entries, *rest.window.entries)]
        assert {"a", "b", "c"} == {one.profile.username[0] for one in (*page.window.entries, *rest.window.entries)}


async def test_longest_names_have_a_next_page(users, people):
    """Whatever their letters take in a cursor."""
    for letter in ("\N{OLD PERSIAN NUMBER HUNDRED}", "\x01", '"'):
        await people.note((letter if letter > " " else "i") * 255, letter * 300, None, full_name=letter * 300)

    for sort in SORTED:
        cursor, seen = "", set()
        for _ in range(3):
            values = {"sort": sort, "after": cursor} if cursor else {"sort": sort}
            query = msgspec.convert(values, ListQuery)  # as from the address of a page
            page = (await users.page(Role.ADMIN, query, size=1)).window
            seen |= {user.profile.user_id for user in page.entries}
            cursor = page.next
        assert 3 == len(seen)
        assert cursor is None


@pytest.mark.parametrize("key", [(1, "a"), ("a",), ("a", "b", "c"), (1, 2, 3), ("a", 1)])
async def test_cursors_of_another_order_are_refused(users, key):
    """And so are those that are none."""
    for cursor in (encode_cursor(key), "x", "AAAA"):
        for where in ("after", "before"):
            with pytest.raises(InvalidRequest):
                await users.page(Role.ADMIN, ListQuery(**{where: cursor}), size=2)
    with pytest.raises(InvalidRequest):
        await users.page(Role.ADMIN, ListQuery(sort="role", after=encode_cursor(("a", "b"))), size=2)


@pytest.mark.parametrize("where", ["after", "before"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("key", [("\0", "1"), ("ann\0", ""), ("ann", "1\0")])
async def test_cursors_with_nul_are_refused(users, key, order, where):
    """No database is asked for such a name, which PostgreSQL does not know."""
    with pytest.raises(InvalidRequest):
        await users.page(Role.ADMIN, ListQuery(order=order, **{where: encode_cursor(key)}), size=2)


@pytest.mark.parametrize("name", ["\U0010ffff", "\U0010ffff" * 100, "\U0010fffe"], ids=["last", "longest", "other"])
async def test_no_name_hides_a_user_from_the_order_backwards(users, known, people, name):
    """Not even of the last characters that there are."""
    await people.note("6", name, None)

    there, back = await walk(users, 3, order="desc")
    assert [[name, "eve", "dan"], ["cat", "bob", "ann"], [""]] == there
    assert there[1::-1] == back
