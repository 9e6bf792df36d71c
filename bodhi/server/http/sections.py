"""Sections that features add to the home page and to the page of a user."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from bodhi.server.http.input import Cursor, UserId


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page: its template and values. The names of values must be unique on the page."""

    template: str
    values: Callable[[web.Request], Awaitable[Mapping[str, Any] | None]]  # None: the section is not shown
    notices: Mapping[str, str] = field(default_factory=dict)  # by the value of ``done`` in the page's query


class UserQuery(msgspec.Struct, frozen=True):
    """Query that names a user."""

    id: UserId


class UserPageQuery(UserQuery, frozen=True):
    """Query of a user's page: the cursor of the session list, and the notice after a form submission."""

    after: Cursor | None = None
    done: str | None = None


async def section_values(sections: list[Section], request: web.Request) -> dict[str, Any]:
    """Return the values of all visible *sections*, and their templates as ``sections``."""
    values: dict[str, Any] = {"sections": []}
    for section in sections:
        if (own_values := await section.values(request)) is not None:
            values |= own_values
            values["sections"].append(section.template)
    return values
