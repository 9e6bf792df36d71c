"""Sections that features add to pages of others: to the home page, and to the page of one user."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from bodhi.server.http.input import Cursor, UserId


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page: its template, and the values for it, of which a page has each name once."""

    template: str
    values: Callable[[web.Request], Awaitable[Mapping[str, Any] | None]]  # None: the section is not shown
    notices: Mapping[str, str] = field(default_factory=dict)  # by what its forms did, which the page's query says


class UserQuery(msgspec.Struct, frozen=True):
    """The user in question."""

    id: UserId


class UserPageQuery(UserQuery, frozen=True):
    """Which of their sessions are looked at, and what was done just now, without a script."""

    after: Cursor | None = None
    done: str | None = None


async def section_values(sections: list[Section], request: web.Request) -> dict[str, Any]:
    """The values of all *sections* that are shown, and ``sections``, their templates."""
    values: dict[str, Any] = {"sections": []}
    for section in sections:
        if (found := await section.values(request)) is not None:
            values |= found
            values["sections"].append(section.template)
    return values
