"""Operations: declarations of routes with their access, input and responses.

The router, the gates, input validation and the OpenAPI document are all derived from them.
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

    PUBLIC = "public"  # credentials are not read
    OPTIONAL = "optional"  # without valid credentials the caller is anonymous


PUBLIC, OPTIONAL = Access.PUBLIC, Access.OPTIONAL


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. *access* has no default, so that no route can be left unprotected by mistake.

    *responses* maps statuses to body types (None: no body). *errors* lists the operation's own error classes; those of
    its access and input are implied. Path parameters are strings unless *parameters* gives another type.
    """

    method: str
    path: str
    handler: Handler
    access: Access | Gate
    summary: str
    body: type | None = None  # JSON
    form: type | None = None  # instead of JSON
    query: type | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    responses: Mapping[int, Any] = field(default_factory=lambda: {200: None})
    errors: tuple[type[ApiError], ...] = ()
    in_document: bool = True  # pages are not part of the API
    allows_cross_site: bool = False  # called by servers without a session, so the cross-site check does not apply
    rate_limit: str | None = None  # the limit it shares with others: it costs something and needs no login
    allows_any_base: bool = False  # not redirected to the public URL

    @property
    def takes_input(self) -> bool:
        """Whether the operation has a body, a query or path parameters to validate."""
        return bool(self.body or self.form or self.query or "{" in self.path)
