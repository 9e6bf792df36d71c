"""The list of all API tokens: what it finds, in which order, and from page to page."""

from datetime import UTC, datetime

import pytest

from bodhi.server.access.principal import SessionUser
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.http.paging import encode_cursor
from bodhi.server.http.request_errors import InvalidRequest
from bodhi.server.tokens import listing
from bodhi.server.tokens.listing import AllTokensList, ListQuery
from bodhi.server.tokens.service import ApiTokens

# By letter, as they are made: name, user, year of the expiry, last use in milliseconds. zedekiah has no profile.
TOKENS = {
    "a": ("delta", "1", None, None),
    "b": ("", "2", 2100, 50),
    "c": ("ÉTUDE", "zedekiah", 2050, 10),
    "d": ("charlie", "2", 1971, None),
    "e": ("bravo", "1", 2080, 70),
}
SORTED = {  # by what is sorted, in the first order and in the other one
    "created": ("edcba", "abcde"),
    "name": ("bedac", "cadeb"),
    "user": ("aebdc", "cbdae"),
    "status": ("abedc", "cdabe"),
    "used": ("ebcad", "adcbe"),
    "expires": ("dceba", "abecd"),
}


@pytest.fixture
def table(application, people):
    """The list."""
    return AllTokensList(ApiTokens(application), people)


@pytest.fixture
async def letters(application, people):
    """The letters of the tokens by id; one has been deactivated by its owner."""
    await people.note("1", "Annette", Role.USER)
    await people.note("2", "daniel", Role.USER, full_name="Adalie")
    tokens, made = ApiTokens(application, clock=lambda: 0), {}
    for letter, (name, user, year, used_ms) in TOKENS.items():
        owner = SessionUser(user, user, Role.ADMIN, "token")
        expires_at = datetime(year, 1, 1, tzinfo=UTC) if year else None
        token_id = (await tokens.create(owner, scope=TokenScope.USER, name=name, expires_at=expires_at)).record.id
        made[token_id] = letter
        if used_ms:
            await application.count("note_api_token_use", id=token_id, interval_ms=0, now=used_ms)
        if letter == "c":
            await tokens.disable(token_id, user_id=user, by=user)
    return made


@pytest.fixture
def page(table, letters):
    """The letters of the tokens on a page, with the page."""

    async def page(size=10, **query):
        found = await table.page(ListQuery(**query), size=size)
        return "".join(letters[token.record.id] for token in found.window.entries), found

    return page


@pytest.mark.parametrize("sort", SORTED)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_tokens_are_sorted_by_any_column(page, sort, size):
    """In both directions, equal ones by age; page by page, forward and back."""
    for order, wanted in zip(("", "asc" if sort in ListQuery.DESCENDING_FIRST else "desc"), SORTED[sort], strict=True):
        options = {"sort": sort, "order": order, "size": size}
        found, table = await page(**options)
        there, back = [found], []
        while table.window.next:
            found, table = await page(**options, after=table.window.next)
            there.append(found)
        while table.window.previous:
            found, table = await page(**options, before=table.window.previous)
            back.append(found)

        assert (wanted, 5) == ("".join(there), table.total)
        assert there[:-1] == back[::-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "edcba"),
        ("ANNETTE", "ea"),
        (" adalie ", "db"),
        ("zedekiah", "c"),
        ("étude", "c"),
        ("e\N{COMBINING ACUTE ACCENT}tude", "c"),
        ("BRAVO annette", "e"),
        ("bravo daniel", ""),
        ("bodhiapp_", "edcba"),
        ("%", ""),
    ],
)
async def test_tokens_are_searched(page, text, found):
    """By each word in the token's name or prefix, or in its user's names or id, whatever the case."""
    letters, table = await page(q=text)

    assert (found, len(found), False) == (letters, table.total, table.is_sorted_in_part)


async def test_prefix_finds_its_token(page):
    """As the log and the programs of the user show it."""
    _, table = await page(sort="name")
    for token in table.window.entries:
        assert token.record.token_prefix in [
            one.record.token_prefix for one in (await page(q=token.record.token_prefix))[1].window.entries
        ]


async def test_tokens_of_one_user(page):
    """In any order, and searched."""
    assert [("ea", 2), ("ea", 2), ("e", 1), ("", 0)] == [
        (found, table.total)
        for found, table in (
            await page(id="1"),
            await page(id="1", sort="name"),
            await page(id="1", q="bravo"),
            await page(id="nobody"),
        )
    ]


async def test_status_and_owner_are_shown(page):
    """The owner of a token without a profile is their id."""
    _, table = await page(order="asc")

    assert [
        ("Active", "Annette"),
        ("Active", "daniel"),
        ("Inactive", "zedekiah"),
        ("Expired", "daniel"),
        ("Active", "Annette"),
    ] == [(token.status, token.owner) for token in table.window.entries]


async def test_many_tokens_are_searched_and_sorted_in_part(page, monkeypatch):
    """The newest; by age the list is whole."""
    monkeypatch.setattr(listing, "MOST", 3)
    monkeypatch.setattr(listing, "PAGE", 2)

    for order, wanted in (("", "edcba"), ("asc", "abcde")):
        found, table = await page(order=order)
        assert (wanted, True, False) == (found, table.is_cut, table.is_sorted_in_part)
    for options, wanted in (({"sort": "name"}, "edc"), ({"q": "bodhiapp_"}, "edc"), ({"q": "delta"}, "")):
        found, table = await page(**options)
        assert (wanted, len(wanted), False, True) == (found, table.total, table.is_cut, table.is_sorted_in_part)
    assert not (await page(id="1", sort="name"))[1].is_sorted_in_part


@pytest.mark.parametrize("sort", SORTED)
async def test_cursors_of_another_order_are_refused(page, sort):
    """And so are those that are none."""
    wrong = {"created": ("x", "y"), "used": ("x", "y"), "expires": ("x", "y")}.get(sort, (1, "y"))
    for cursor in (encode_cursor(wrong), encode_cursor((1,)), encode_cursor(("x", "y", "z")), "x", "AAAA"):
        for where in ("after", "before"):
            with pytest.raises(InvalidRequest):
                await page(sort=sort, **{where: cursor})
