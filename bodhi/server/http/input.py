"""Validation of bodies, queries and path parameters: every invalid input is a 400 ``json_rejection_error``."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar, cast, get_origin

import msgspec
from aiohttp import web
from multidict import MultiDict, MultiMapping

from bodhi.server.http.request_errors import InvalidRequest

BODY: "web.RequestKey[Any]" = web.RequestKey("BODY", object)
QUERY: "web.RequestKey[Any]" = web.RequestKey("QUERY", object)
PARAMETERS: "web.RequestKey[Any]" = web.RequestKey("PARAMETERS", dict)

DEFAULT_PAGE_SIZE = 30
LARGEST_PAGE = 100

# The provider's id of a user, without characters that a database cannot store.
UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+(?![\s\S])")]
# Keyset cursor: the page starts after the entry with this handle.
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]

Type = TypeVar("Type")


class Paging(msgspec.Struct, frozen=True):
    """Requested page of a list; ``sort`` and ``sort_order`` are accepted but ignored."""

    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE
    sort: str | None = None
    sort_order: str = "asc"

    def __post_init__(self) -> None:
        if self.page < 1 or self.page_size < 1 or self.page > 2**31:
            raise ValueError("page and page_size must be at least 1")

    @property
    def size(self) -> int:
        """Page size, capped at the maximum."""
        return min(self.page_size, LARGEST_PAGE)

    @property
    def offset(self) -> int:
        """Number of entries before the page."""
        return (self.page - 1) * self.size


async def read_body(request: web.Request, kind: type[Type]) -> Type:
    """Return the JSON body as *kind*."""
    if request.content_type != "application/json":
        raise InvalidRequest
    try:
        # Decoded first: msgspec skips members that *kind* does not have without looking at their bytes.
        return msgspec.json.decode((await request.read()).decode(), type=kind)
    except msgspec.ValidationError as error:  # names the field and its type
        raise InvalidRequest(message=f"The request's body is not accepted: {error}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, web.RequestPayloadError):
        raise InvalidRequest from None


async def read_form(request: web.Request, kind: type[Type]) -> Type:
    """Return the form in the body as *kind*; repeated fields are refused."""
    # Browsers send UTF-8. Some of Python's other codecs take quadratic time.
    if request.content_type != "application/x-www-form-urlencoded" or (request.charset or "utf-8").lower() != "utf-8":
        raise InvalidRequest
    try:
        return _converted(await request.post(), kind)
    except (UnicodeDecodeError, web.RequestPayloadError):
        raise InvalidRequest from None


def read_query(request: web.Request, kind: Any) -> Any:
    """Return the query as *kind*; repeated names are refused, except of lists."""
    return _converted(request.query, kind) if request.query_string else _without_query(kind)


def read_parameters(request: web.Request, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Return the path parameters, each converted to its type."""
    try:
        return {
            name: msgspec.convert(text, kinds.get(name, str), strict=False) for name, text in request.match_info.items()
        }
    except (msgspec.MsgspecError, ValueError):
        raise InvalidRequest from None


def body_of(request: web.Request, kind: type[Type]) -> Type:
    """Return the body that the route's guard parsed."""
    body: Type = request[BODY]
    assert isinstance(body, kind)
    return body


def query_of(request: web.Request, kind: type[Type]) -> Type:
    """Return the query that the route's guard parsed."""
    query: Type = request[QUERY]
    assert isinstance(query, kind)
    return query


def parameter_of(request: web.Request, name: str) -> Any:
    """Return a path parameter, converted to the operation's type."""
    return request[PARAMETERS][name]


@lru_cache  # queries are frozen, and most requests have none
def _without_query(kind: Any) -> Any:
    return _converted(MultiDict(), kind)


@lru_cache
def _lists_of(kind: Any) -> frozenset[str]:
    """Return the names of a query that may be repeated."""
    return frozenset(one.name for one in msgspec.structs.fields(kind) if get_origin(one.type) is tuple)


def _converted(fields: MultiMapping[Any], kind: type[Type]) -> Type:
    lists = _lists_of(cast(Any, kind))  # hashable, as every class is
    names = [name for name, _ in fields.items() if name not in lists]
    if len(names) != len(set(names)):
        raise InvalidRequest
    values = {**fields, **{name: fields.getall(name) for name in lists & set(fields)}}
    try:
        converted = msgspec.convert(values, kind, strict=False)
    except (msgspec.MsgspecError, ValueError):
        raise InvalidRequest from None
    # msgspec reads 1e2 and 100.0 as the integer 100.
    if any(type(getattr(converted, name, None)) is int and not _is_digits(text) for name, text in fields.items()):
        raise InvalidRequest
    return converted


def _is_digits(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdigit()
