"""What every request is reduced to: who makes it, and with what. Printing one shows no token."""

from dataclasses import dataclass, field
from typing import ClassVar

from bodhi.server.access.scopes import Role, TokenScope, UserScope


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Nobody that is known."""

    type: ClassVar[str] = "anonymous"
    is_authenticated: ClassVar[bool] = False
    user_id: ClassVar[None] = None
    role: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class SessionUser:
    """A person with a browser session; without a role they may log in and ask for one."""

    type: ClassVar[str] = "session"
    is_authenticated: ClassVar[bool] = True

    user_id: str
    username: str
    role: Role | None
    token: str = field(repr=False)  # the access token
    first_name: str | None = None
    last_name: str | None = None
    signed_in_at: int | None = None  # seconds since 1970; None where the session does not say


@dataclass(frozen=True, slots=True)
class ApiToken:
    """Whoever holds an API token, acting for its owner."""

    type: ClassVar[str] = "api_token"
    is_authenticated: ClassVar[bool] = True

    user_id: str
    role: TokenScope
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExternalApp:
    """Another application that acts for a person; without a user scope it may tell who that is, and no more."""

    type: ClassVar[str] = "external_app"
    is_authenticated: ClassVar[bool] = True

    user_id: str
    username: str
    role: UserScope | None
    token: str = field(repr=False)  # the exchanged one; empty where it carries more scope than *role*
    external_app_token: str = field(repr=False)  # the presented one
    app_client_id: str
    access_request_id: str | None = None
    first_name: str | None = None
    last_name: str | None = None


AuthContext = Anonymous | SessionUser | ApiToken | ExternalApp

ANONYMOUS = Anonymous()
