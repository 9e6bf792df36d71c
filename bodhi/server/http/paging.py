"""Pages of sorted lists, and links that lead in both directions.

A cursor is the sort key of an entry beside the page: the pages stay where they are while entries come and go.
"""

import base64
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from itertools import chain
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from bodhi.server.http.request_errors import InvalidRequest

Entry = TypeVar("Entry")
Key = tuple[int | str | bytes, ...]
SomeKey = TypeVar("SomeKey", bound=Key)

_first_of = itemgetter(0)

# The longest names and ids of users (bodhi/server/access/profile_lists.py), of four bytes a character, in base64.
PageCursor = Annotated[str, msgspec.Meta(min_length=1, max_length=5_000, pattern=r"^[A-Za-z0-9_-]+(?![\s\S])")]
# PostgreSQL does not accept NUL, in searches and in cursors.
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*(?![\s\S])")]
SearchText = Annotated[Text, msgspec.Meta(max_length=100)]


class TableQuery(msgspec.Struct, frozen=True):
    """The query of a sorted list: a text to search for, the order, and a cursor."""

    DESCENDING_FIRST: ClassVar[Collection[str]] = ()  # values of *sort* that are descending by default

    q: SearchText = ""
    sort: str = ""
    order: Literal["", "asc", "desc"] = ""
    after: PageCursor | None = None
    before: PageCursor | None = None

    @property
    def is_descending(self) -> bool:
        """Whether the order is descending, by itself or by default."""
        return self.order == "desc" if self.order else self.sort in self.DESCENDING_FIRST


@dataclass(frozen=True, slots=True)
class Window(Generic[Entry]):
    """The entries of a page, and the cursors of its neighbours: None if there is no such page."""

    entries: Sequence[Entry]
    previous: str | None  # the page that ends before this cursor
    next: str | None  # the page that starts after it


def encode_cursor(key: Key) -> str:
    """Return *key* as a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str | None, types: Any) -> Any:
    """Return the key of *cursor* as a tuple of *types*, or None without one; raise 400 for an invalid cursor."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=types)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidRequest from None


class PageCollector(Generic[Entry]):
    """Finds one page among entries that are added in any order, in as much memory as a page needs."""

    def __init__(
        self,
        key: Callable[[Entry], Key],
        *,
        is_descending: bool,
        after: Key | None,
        before: Key | None,
        size: int,
    ) -> None:
        """*key* returns the sort key, unique for each entry; only its first part is ever descending."""
        self._key = key
        self._is_descending = is_descending
        self._after = None if after is None else self._order(after)
        self._before = None if before is None else self._order(before)
        self._size = size
        self._page: list[tuple[tuple[Any, ...], Entry]] = []  # in order, with one of the page beyond
        self._first: list[tuple[tuple[Any, ...], Entry]] = []  # the first page, in place of a part of it
        self.total = 0  # entries that were added
        self._beside = 0  # those on the other side of the cursor

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries; quick enough for a thousand at a time."""
        added = [(self._order(self._key(entry)), entry) for entry in entries]
        self.total += len(added)
        if self._before is None:
            after = self._after
            beyond = added if after is None else [one for one in added if after < one[0]]
            self._page = nsmallest(self._size + 1, chain(self._page, beyond), key=_first_of)
        else:
            before = self._before
            beyond = [one for one in added if one[0] < before]
            self._page = nlargest(self._size + 1, chain(self._page, beyond), key=_first_of)
            self._first = nsmallest(self._size + 1, chain(self._first, added), key=_first_of)
        self._beside += len(added) - len(beyond)

    def window(self) -> Window[Entry]:
        """Return the page."""
        is_more = len(self._page) > self._size
        if self._before is None:
            page, has_previous, has_next = self._page[: self._size], self._beside > 0, is_more
        elif is_more:
            page, has_previous, has_next = self._page[self._size - 1 :: -1], True, self._beside > 0
        else:
            page, has_previous, has_next = self._first[: self._size], False, len(self._first) > self._size
        entries = [entry for _, entry in page]
        return Window(
            entries,
            encode_cursor(self._key(entries[0])) if entries and has_previous else None,
            encode_cursor(self._key(entries[-1])) if entries and has_next else None,
        )

    def _order(self, key: Key) -> tuple[Any, ...]:
        if not self._is_descending:
            return key
        first, *rest = key
        return (-first if isinstance(first, int) else _Descending(first), *rest)


async def keyset_page(
    fetch: Callable[[SomeKey | None, SomeKey | None, int], Awaitable[Sequence[Entry]]],
    key: Callable[[Entry], SomeKey],
    *,
    after: SomeKey | None,
    before: SomeKey | None,
    size: int,
    from_last: SomeKey | None = None,
) -> Window[Entry]:
    """Return a page of entries that *fetch* returns in order: at most so many, after or before a key.

    With *from_last*, a key after all others, the list is in descending order: the same pages, walked the other way.
    """
    if from_last is None:
        found = await fetch(after, before, size + 1)
    else:
        found = (await fetch(before, after or (None if before else from_last), size + 1))[::-1]
    if before is not None and len(found) <= size:  # a full first page rather than the rest before the second
        return await keyset_page(fetch, key, after=None, before=None, size=size, from_last=from_last)
    page = found[-size:] if before is not None else found[:size]
    has_previous = page and (before is not None or after is not None)
    has_next = before is not None or len(found) > size
    return Window(
        page, encode_cursor(key(page[0])) if has_previous else None, encode_cursor(key(page[-1])) if has_next else None
    )


def list_url(path: str, values: Mapping[str, str]) -> Callable[..., str]:
    """Return a function for the links of a list: the page with these query values, and others by name."""

    def url(**changes: str | None) -> str:
        query = {name: value for name, value in {**values, **changes}.items() if value}
        return f"{path}?{urlencode(query)}" if query else path

    return url


class _Descending:
    """Orders values the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(other.value == self.value)

    __hash__ = None  # type: ignore[assignment]
