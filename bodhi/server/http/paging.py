"""Pages of sorted lists, and links that lead in both directions.

A cursor is the sort key of an entry beside the page: the pages stay where they are while entries come and go.
"""

import base64
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

from bodhi.server.http.request_errors import InvalidRequest

Entry = TypeVar("Entry")
Key = tuple[int | str, ...]
SomeKey = TypeVar("SomeKey", bound=Key)

# A name of a hundred characters and a user id of 255, of four bytes each, in base64.
PageCursor = Annotated[str, msgspec.Meta(min_length=1, max_length=3_000, pattern=r"^[A-Za-z0-9_-]+(?![\s\S])")]


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


def window(
    entries: Sequence[Entry],
    key: Callable[[Entry], Key],
    *,
    is_descending: bool,
    after: Key | None,
    before: Key | None,
    size: int,
) -> Window[Entry]:
    """Sort *entries* by *key*, of which only the first part is ever descending, and return a page."""
    keyed = sorted(((key(entry), entry) for entry in entries), key=lambda pair: pair[0][1:])
    keyed.sort(key=lambda pair: pair[0][0], reverse=is_descending)  # equal ones stay as they are

    def order(one: Key) -> tuple[Any, ...]:
        return (_Descending(one[0]), *one[1:]) if is_descending else one

    start = 0
    if after is not None:
        start = bisect_right(keyed, order(after), key=lambda pair: order(pair[0]))
    elif before is not None:
        start = max(0, bisect_left(keyed, order(before), key=lambda pair: order(pair[0])) - size)
    page = keyed[start : start + size]
    return Window(
        [entry for _, entry in page],
        encode_cursor(page[0][0]) if page and start > 0 else None,
        encode_cursor(page[-1][0]) if start + size < len(keyed) else None,
    )


async def keyset_page(
    fetch: Callable[[SomeKey | None, SomeKey | None, int], Awaitable[Sequence[Entry]]],
    key: Callable[[Entry], SomeKey],
    *,
    after: SomeKey | None,
    before: SomeKey | None,
    size: int,
) -> Window[Entry]:
    """Return a page of entries that *fetch* returns in order: at most so many, after or before a key."""
    found = await fetch(after, before, size + 1)
    if before is not None and len(found) <= size:  # a full first page rather than the rest before the second
        return await keyset_page(fetch, key, after=None, before=None, size=size)
    page = found[-size:] if before is not None else found[:size]
    has_previous = page and (before is not None or after is not None)
    has_next = before is not None or len(found) > size
    return Window(
        page, encode_cursor(key(page[0])) if has_previous else None, encode_cursor(key(page[-1])) if has_next else None
    )


def list_url(path: str, values: Mapping[str, str]) -> Callable[..., str]:
    """Return a function for the links of a list: the page with these query values, and others by name."""

    def url(**changes: str) -> str:
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
