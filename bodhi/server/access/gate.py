"""Which contexts a route admits, and by how much."""

from dataclasses import dataclass

from bodhi.server.access.errors import Forbidden, MissingAuthentication
from bodhi.server.access.principal import ApiToken, AuthContext, ExternalApp, SessionUser
from bodhi.server.access.scopes import AppRole, Role, TokenScope, UserScope

_NOT_TAKEN = {
    ApiToken: "API tokens are not taken here.",
    ExternalApp: "Tokens of applications are not taken here.",
}


@dataclass(frozen=True, slots=True)
class Gate:
    """The least role of a session and the least scopes of tokens; None keeps a kind of credential out.

    Sessions of the role *recent_login_from* or above pass only while their sign-in is recent; None asks nobody.
    """

    role: Role
    token_scope: TokenScope | None = None
    user_scope: UserScope | None = None
    recent_login_from: Role | None = None

    def check(self, context: AuthContext) -> None:
        """Nothing when *context* may pass; else ``api_auth_error-missing_auth`` or ``-forbidden``."""
        needed: AppRole | None = self.user_scope
        if isinstance(context, SessionUser):
            needed = self.role
        elif isinstance(context, ApiToken):
            needed = self.token_scope
        if needed is None:
            raise MissingAuthentication(message=_NOT_TAKEN.get(type(context)))
        if context.role is None:
            raise MissingAuthentication
        if context.role.rank < needed.rank:
            raise Forbidden

    def needs_recent_login(self, context: AuthContext) -> bool:
        """Whether *context*, which may pass otherwise, is a session that must have been signed in to recently."""
        if self.recent_login_from is None or not isinstance(context, SessionUser):
            return False
        return context.role is not None and context.role.rank >= self.recent_login_from.rank


SESSION_USER = Gate(Role.USER)
SESSION_POWER_USER = Gate(Role.POWER_USER)
SESSION_MANAGER = Gate(Role.MANAGER)
SESSION_ADMIN = Gate(Role.ADMIN)
# For what a script on a page of the same origin must not do with a session that has been open for hours.
RECENT_POWER_USER = Gate(Role.POWER_USER, recent_login_from=Role.POWER_USER)
RECENT_MANAGER = Gate(Role.MANAGER, recent_login_from=Role.MANAGER)
RECENT_ADMIN = Gate(Role.ADMIN, recent_login_from=Role.ADMIN)
USER_OR_RECENT_MANAGER = Gate(Role.USER, recent_login_from=Role.MANAGER)
# What services built on bodhi use beside those.
USER = Gate(Role.USER, TokenScope.USER, UserScope.USER)
POWER_USER = Gate(Role.POWER_USER, TokenScope.POWER_USER, UserScope.POWER_USER)
USER_OR_APP = Gate(Role.USER, None, UserScope.USER)
