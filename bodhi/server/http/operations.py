"""What describes one route: its address, who may use it, what it takes and what it answers.

The router, the gates, the checks of bodies and queries, and the OpenAPI document all come from these descriptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from aiohttp.typedefs import Handler

from bodhi.server.access.errors import ApiError
from bodhi.server.access.gate import Gate


class Access(Enum):
    """Routes without a gate."""

    PUBLIC = "public"  # nobody is asked who they are
    OPTIONAL = "optional"  # whoever it is: a bad credential makes the caller anonymous


PUBLIC, OPTIONAL = Access.PUBLIC, Access.OPTIONAL


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. There is no default for *access*: a route without a declared gate cannot be written.

    *responses* are the bodies by status (None: no body); *errors* the classes of its own errors, beside those that its
    access and its input bring along. *path*'s parameters are texts unless *parameters* gives another type.
    """

    method: str
    path: str
    handler: Handler
    access: Access | Gate
    summary: str
    body: type | None = None  # JSON
    form: type | None = None  # in the place of JSON
    query: type | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    responses: Mapping[int, Any] = field(default_factory=lambda: {200: None})
    errors: tuple[type[ApiError], ...] = ()
    in_document: bool = True  # pages for people are no part of the API
    allows_cross_site: bool = False  # an unsafe request of a server, which has no session
    allows_any_base: bool = False  # never sent on to the public URL

    @property
    def takes_input(self) -> bool:
        """Whether requests bring a body, a query or parameters that have to be checked."""
        return bool(self.body or self.form or self.query or "{" in self.path)
