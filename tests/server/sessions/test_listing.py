"""The list of all sessions: what it finds, in which order, and from page to page."""

import pytest

from bodhi.server.access.scopes import Role
from bodhi.server.http.paging import encode_cursor
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.server.sessions import listing
from bodhi.server.sessions.listing import AllSessionsList, ListQuery
from bodhi.session import DefaultSessionService, Device, Touch, administration, handle_of

KEYS = ["a key for tests, of at least thirty-two characters"]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Safari/604.1"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"
SORTED = {  # names of sessions by what is sorted, in the first order and in the other one
    "active": ("abdec", "cedba"),
    "created": ("edcba", "abcde"),
    "user": ("ebcda", "adcbe"),  # nobody, Ann, ann lee, unknown-1, zoe
    "device": ("cabed", "debac"),  # Chrome, Firefox, Firefox on ..., Safari, unknown
    "address": ("edabc", "cbade"),  # none, 10.1.2.3, 192.0.2.1, 192.0.2.7, 2001:db8::7
}


@pytest.fixture
async def sessions(database_url, clock):
    """A session service on the same database, with the test's clock."""
    async with await DefaultSessionService.connect(database_url, keys=KEYS, sweep_seconds=None, clock=clock) as service:
        yield service


@pytest.fixture
def table(people, sessions):
    """The list."""
    return AllSessionsList(sessions, people)


@pytest.fixture
async def names(people, sessions, clock):
    """Sessions of known and unknown users and of nobody; gives the name of each by its handle."""
    for known, username in {"1": "zoe", "2": "Ann", "3": "ann  lee"}.items():
        await people.note(known, username, Role.USER)
    await sessions.create({"user_id": "1"}, device=Device("192.0.2.1", FIREFOX))
    clock.advance(days=20)  # it has expired
    made: dict[str, tuple[str | None, str | None, str]] = {
        "a": ("1", "192.0.2.1", FIREFOX),
        "b": ("2", "192.0.2.7", FIREFOX.replace("Linux", "Windows")),
        "c": ("3", "2001:db8::7", CHROME),
        "d": ("unknown-1", "10.1.2.3", "nothing known"),
        "e": (None, None, SAFARI),
    }
    names: dict[str, str] = {}
    digests: dict[str, bytes] = {}
    for name, (user_id, address, agent) in made.items():
        clock.advance(minutes=10)
        data = {"cart": 1} if user_id is None else {"user_id": user_id}
        _, stored = await sessions.create(data, device=Device(address, agent))
        names[stored.handle], digests[name] = name, stored.record.digest
    for name in "cedba":
        clock.advance(minutes=10)
        await sessions.get_session_store().touch([Touch(digests[name], clock(), 86_400_000, 1)])
    return names


async def walk(table, names, size, **query):
    """Return the names on the pages up to the last one, and then those back to the first."""

    async def page(**cursor):
        window = (await table.page(ListQuery(**query, **cursor), size=size)).window
        return window, "".join(names[handle_of(session.listing.digest)] for session in window.entries)

    window, text = await page()
    there, back = [text], []
    while window.next:
        window, text = await page(after=window.next)
        there.append(text)
    while window.previous:
        window, text = await page(before=window.previous)
        back.append(text)
    return there, back


async def found(table, names, **query):
    """Return the names of what one page has, and the total."""
    page = await table.page(ListQuery(**query), size=10)
    return "".join(names[handle_of(session.listing.digest)] for session in page.window.entries), page.total


@pytest.mark.parametrize("sort", SORTED)
async def test_sessions_are_sorted_by_any_column(table, names, sort):
    """In both directions; page by page, forward and back; without the expired one."""
    first, other = SORTED[sort]
    reverse = "asc" if sort in ListQuery.DESCENDING_FIRST else "desc"

    assert ((first, 5), (other, 5)) == (
        await found(table, names, sort=sort),
        await found(table, names, sort=sort, order=reverse),
    )
    for order, expected in (("", first), (reverse, other)):
        pages = [expected[:2], expected[2:4], expected[4:]]
        assert (pages, pages[1::-1]) == await walk(table, names, 2, sort=sort, order=order)


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "ANN": "bc",
        " ann   lee ": "c",
        "lee ann": "c",
        "unknown-": "d",
        "firefox": "ab",
        "firefox windows": "b",
        "firefox zoe": "a",
        "on iphone": "e",
        "macos": "",
        "mozilla": "",
        "192.0.2.": "ab",
        "2001:db8": "c",
        "%": "",
        "_": "",
        "1": "abcd",
        "unknown device": "d",
    }.items(),
)
async def test_sessions_are_searched(table, names, text, expected):
    """Each word is a part of a name, an id, the device as it is shown, or the address."""
    assert (sorted(expected), len(expected)) == (
        sorted((await found(table, names, q=text))[0]),
        (await found(table, names, q=text))[1],
    )


@pytest.mark.parametrize("sort", SORTED)
async def test_pages_hold_while_sessions_come_and_go(table, sessions, names, sort):
    """Also where the session beside the page has ended."""
    first, _ = SORTED[sort]
    handles = {name: handle for handle, name in names.items()}
    page = (await table.page(ListQuery(sort=sort), size=2)).window
    await sessions.revoke_session(handles[first[1]])
    _, stored = await sessions.create({"user_id": "Ann"}, device=Device("11.0.0.1", FIREFOX))
    names[stored.handle] = "x"

    rest = (await table.page(ListQuery(sort=sort, after=page.next), size=10)).window
    assert first[2:] == "".join(names[handle_of(session.listing.digest)] for session in rest.entries).replace("x", "")
    there, back = await walk(table, names, 2, sort=sort)
    assert sorted(set("abcdex") - {first[1]}) == sorted("".join(there))
    assert there[-2::-1] == back


@pytest.mark.parametrize("count", [3, 4])
async def test_more_sessions_than_are_sorted_are_walked_by_digest(table, sessions, names, monkeypatch, count):
    """All of them, in both directions; a search looks at so many for each page and goes on from there."""
    monkeypatch.setattr(listing, "MOST", count)
    monkeypatch.setattr(administration, "PAGE", 2)
    by_digest = "".join(names[handle] for handle in sorted(names, key=digest_order))

    page = await table.page(ListQuery(sort="user"), size=2)
    assert (5, True) == (page.total, page.is_cut)
    pages = [by_digest[:2], by_digest[2:4], by_digest[4:]]
    assert (pages, pages[1::-1]) == await walk(table, names, 2)
    there, back = await walk(table, names, 10, q="firefox")
    assert ("ab", "ab") == ("".join(sorted("".join(there))), "".join(sorted(set("".join([*there, *back])))))
    assert 2 == len(there)
    examined = (await table.page(ListQuery(q="firefox"), size=10)).examined
    assert count == examined
    there, _ = await walk(table, names, 10, q="nobody has this")
    assert ["", ""] == there
    last = encode_cursor((sorted(names, key=digest_order)[1],))
    found = (await table.page(ListQuery(before=last), size=2)).window  # a whole first page
    assert (by_digest[:2], None) == (
        "".join(names[handle_of(one.listing.digest)] for one in found.entries),
        found.previous,
    )


def digest_order(handle):
    """Return a sort key in the order of digests, which base64url does not keep."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return [alphabet.index(letter) for letter in handle]


@pytest.mark.parametrize("key", [(1,), ("a", "b"), (1, "a", "b"), (1, 2)])
async def test_cursors_of_another_order_are_refused(table, key, monkeypatch, names):
    """And so are those that are none, however many sessions there are."""
    for most in (100, 1):
        monkeypatch.setattr(listing, "MOST", most)
        for cursor in (encode_cursor(key), encode_cursor(("x",)), "x", "AAAA"):
            for where in ("after", "before"):
                with pytest.raises(InvalidRequest):
                    await table.page(ListQuery(**{where: cursor}), size=2)


async def test_names_are_read_once(table, names, people, monkeypatch):
    """Of a page of sessions in one query; without a search only those of the page are read."""
    asked = []
    find_many = people.find_many

    async def counted(user_ids):
        asked.append(sorted(user_ids))
        return await find_many(user_ids)

    monkeypatch.setattr(people, "find_many", counted)
    await table.page(ListQuery(), size=2)
    assert [["1", "2"]] == asked
    asked.clear()
    await table.page(ListQuery(q="ann"), size=2)
    assert [["1", "2", "3", "unknown-1"]] == [ids for ids in asked if ids]
