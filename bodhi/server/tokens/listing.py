"""The API tokens of all users: searched, sorted, page by page."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from aiohttp import web

from bodhi.server.access.profile_lists import KnownProfiles, ProfileLists, ProfileSummary, fold_case, user_key
from bodhi.server.access.times import milliseconds_of
from bodhi.server.http.input import UserId
from bodhi.server.http.paging import PageCollector, TableQuery, Text, Window, decode_cursor, keyset_page
from bodhi.server.tokens.service import ApiTokens, TokenRecord

MOST = 10_000  # tokens that are searched, and sorted by anything but their age: the newest
PAGE = 1000  # of these in one query
BEYOND = "g"  # after every id, which is in hexadecimal digits
NEVER = 2**62  # milliseconds

Sort = Literal["created", "name", "user", "status", "used", "expires"]


class ListQuery(TableQuery, frozen=True):
    """The query of the list; each word of the text is a part of the token's name or prefix, or the user's names or id.

    Without scripts, *done* is the outcome of the form submitted before.
    """

    DESCENDING_FIRST: ClassVar[Collection[str]] = {"created", "used"}  # latest first

    id: UserId | None = None  # only the tokens of this user
    sort: Sort = "created"
    done: Literal["disabled"] | None = None


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token in the list, with the profile of its user if there is one."""

    record: TokenRecord
    profile: ProfileSummary | None
    now: datetime

    @property
    def owner(self) -> str:
        """Return the username; the user id if the user has no name."""
        return self.profile.username if self.profile and self.profile.username else self.record.user_id

    @property
    def has_expired(self) -> bool:
        """Whether the token's time is over."""
        return self.record.expires_at is not None and self.record.expires_at <= self.now

    @property
    def status(self) -> str:
        """Return the status as the page shows it."""
        if self.record.status != "active":
            return "Inactive"
        return "Expired" if self.has_expired else "Active"

    def includes(self, words: Iterable[str]) -> bool:
        """Return whether each of *words* is a part of the token's name or prefix, or of its user's names or id."""
        user = user_key(self.record.user_id, self.profile)
        text = f"{user}\n{fold_case(self.record.name)}\n{self.record.token_prefix.casefold()}"
        return all(word in text for word in words)


# What the list is sorted by; equal ones are sorted by id, and so by age.
VALUES: Mapping[str, Callable[[ListedToken], tuple[int | str, ...]]] = {
    "created": lambda _: (),
    "name": lambda token: (fold_case(token.record.name)[:100],),
    "user": lambda token: (user_key(token.record.user_id, token.profile)[:100],),
    "status": lambda token: (token.status,),
    "used": lambda token: (_milliseconds(token.record.last_used_at, 0),),
    "expires": lambda token: (_milliseconds(token.record.expires_at, NEVER),),
}
KEYS: Mapping[str, Any] = {
    "created": tuple[Text],
    **dict.fromkeys(("used", "expires"), tuple[int, Text]),
    **dict.fromkeys(("name", "user", "status"), tuple[Text, Text]),
}


@dataclass(frozen=True, slots=True)
class TokenTable:
    """A page of the list. *total* is the number of tokens found, or :data:`MOST` + 1 for more than :data:`MOST`."""

    window: Window[ListedToken]
    total: int
    is_sorted_in_part: bool = False  # whether there are older tokens that were not looked at

    @property
    def is_cut(self) -> bool:
        """Whether there are more tokens than are counted."""
        return self.total > MOST


class AllTokensList:
    """Lists the tokens of all users for administrators."""

    def __init__(self, tokens: ApiTokens, profiles: ProfileLists) -> None:
        self._tokens = tokens
        self._profiles = profiles

    async def page(self, query: ListQuery, *, size: int) -> TokenTable:
        """Return a page of the list."""
        after, before = decode_cursor(query.after, KEYS[query.sort]), decode_cursor(query.before, KEYS[query.sort])
        words, profiles = fold_case(query.q).split(), KnownProfiles(self._profiles)
        if query.sort == "created" and not words:
            return await self._by_age(query, after, before, size)
        collector: PageCollector[ListedToken] = PageCollector(
            lambda token: (*VALUES[query.sort](token), token.record.id),
            is_descending=query.is_descending,
            after=after,
            before=before,
            size=size,
        )
        examined = 0
        async for records in self._all_pages(query):
            collector.add(one for one in await _listed(records[: MOST - examined], profiles) if one.includes(words))
            examined += len(records)
        return TokenTable(collector.window(), collector.total, is_sorted_in_part=examined > MOST)

    async def _by_age(
        self, query: ListQuery, after: tuple[str] | None, before: tuple[str] | None, size: int
    ) -> TokenTable:
        """Return a page that an index gives, however many tokens there are."""

        async def fetch(after: tuple[str] | None, before: tuple[str] | None, size: int) -> Sequence[TokenRecord]:
            return await self._tokens.list_of_all(
                user_id=query.id, after=after[0] if after else "", before=before and before[0], size=size
            )

        found = await keyset_page(
            fetch,
            lambda record: (record.id,),
            after=after,
            before=before,
            size=size,
            from_last=(BEYOND,) if query.is_descending else None,
        )
        entries = await _listed(found.entries, KnownProfiles(self._profiles))
        total = await self._tokens.count_of_all(user_id=query.id, most=MOST + 1)
        return TokenTable(Window(entries, found.previous, found.next), total)

    async def _all_pages(self, query: ListQuery) -> AsyncIterator[Sequence[TokenRecord]]:
        """Iterate over the tokens, newest first, in pages, up to one more than :data:`MOST`."""
        before, left = BEYOND, MOST + 1
        while page := await self._tokens.list_of_all(user_id=query.id, before=before, size=min(PAGE, left)):
            yield page[::-1]
            before, left = page[0].id, left - len(page)
            if len(page) < PAGE:
                return


async def _listed(records: Sequence[TokenRecord], profiles: KnownProfiles) -> list[ListedToken]:
    now, known = datetime.now(UTC), await profiles.read(record.user_id for record in records)
    return [ListedToken(record, known.get(record.user_id), now) for record in records]


def _milliseconds(moment: datetime | None, otherwise: int) -> int:
    return otherwise if moment is None else milliseconds_of(moment)


ALL_TOKENS_LIST = web.AppKey("ALL_TOKENS_LIST", AllTokensList)
