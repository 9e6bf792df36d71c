"""The caller of a request, by kind of credential. Tokens are left out of the repr."""

from dataclasses import dataclass, field
from typing import ClassVar

from bodhi.server.access.identity import UNKNOWN, Identity
from bodhi.server.access.scopes import Role, TokenScope, UserScope


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A caller without valid credentials."""

    type: ClassVar[str] = "anonymous"
    is_authenticated: ClassVar[bool] = False
    user_id: ClassVar[None] = None
    role: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class SessionUser:
    """A user with a browser session; one without a role can request one."""

    type: ClassVar[str] = "session"
    is_authenticated: ClassVar[bool] = True

    user_id: str
    username: str
    role: Role | None
    token: str = field(repr=False)  # the access token
    first_name: str | None = None
    last_name: str | None = None
    signed_in_at: int | None = None  # seconds since 1970; None if not stored in the session
    identity: Identity = field(default=UNKNOWN, repr=False)


@dataclass(frozen=True, slots=True)
class ApiToken:
    """The holder of an API token, acting for its owner."""

    type: ClassVar[str] = "api_token"
    is_authenticated: ClassVar[bool] = True

    user_id: str
    role: TokenScope
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExternalApp:
    """An application acting for a user; without a user scope it can only identify the user."""

    type: ClassVar[str] = "external_app"
    is_authenticated: ClassVar[bool] = True

    user_id: str
    username: str
    role: UserScope | None
    token: str = field(repr=False)  # the exchanged token; empty if its scope exceeds *role*
    external_app_token: str = field(repr=False)  # the presented token
    app_client_id: str
    access_request_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None


AuthContext = Anonymous | SessionUser | ApiToken | ExternalApp

ANONYMOUS = Anonymous()
