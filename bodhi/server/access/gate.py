"""Gates: the credentials and the minimum role or scope that a route requires."""

from dataclasses import dataclass

from bodhi.server.access.errors import Forbidden, MissingAuthentication
from bodhi.server.access.principal import ApiToken, AuthContext, ExternalApp, SessionUser
from bodhi.server.access.scopes import AppRole, Role, TokenScope, UserScope

_NOT_ACCEPTED = {
    ApiToken: "API tokens are not accepted for this request.",
    ExternalApp: "Tokens of applications are not accepted for this request.",
}


@dataclass(frozen=True, slots=True)
class Gate:
    """Minimum role of sessions and minimum scopes of tokens; None: this kind of credential is not accepted.

    Sessions with the role *recent_login_from* or above also need a recent sign-in; None: no session does.
    """

    role: Role
    token_scope: TokenScope | None = None
    user_scope: UserScope | None = None
    recent_login_from: Role | None = None

    def check(self, context: AuthContext) -> None:
        """Raise :exc:`MissingAuthentication` or :exc:`Forbidden` unless *context* may pass."""
        needed: AppRole | None = self.user_scope
        if isinstance(context, SessionUser):
            needed = self.role
        elif isinstance(context, ApiToken):
            needed = self.token_scope
        if needed is None:
            raise MissingAuthentication(message=_NOT_ACCEPTED.get(type(context)))
        if context.role is None:
            raise MissingAuthentication
        if context.role.rank < needed.rank:
            if isinstance(context, SessionUser):
                raise Forbidden(required_role=str(self.role))
            raise Forbidden

    def needs_recent_login(self, context: AuthContext) -> bool:
        """Whether *context*, which passes :meth:`check`, is a session that needs a recent sign-in."""
        if self.recent_login_from is None or not isinstance(context, SessionUser):
            return False
        return context.role is not None and context.role.rank >= self.recent_login_from.rank


SESSION_USER = Gate(Role.USER)
SESSION_POWER_USER = Gate(Role.POWER_USER)
SESSION_MANAGER = Gate(Role.MANAGER)
SESSION_ADMIN = Gate(Role.ADMIN)
# For sensitive changes: a script injected into a page must not make them with a session that is hours old.
RECENT_POWER_USER = Gate(Role.POWER_USER, recent_login_from=Role.POWER_USER)
RECENT_MANAGER = Gate(Role.MANAGER, recent_login_from=Role.MANAGER)
RECENT_ADMIN = Gate(Role.ADMIN, recent_login_from=Role.ADMIN)
USER_OR_RECENT_MANAGER = Gate(Role.USER, recent_login_from=Role.MANAGER)
# For services built on bodhi.
USER = Gate(Role.USER, TokenScope.USER, UserScope.USER)
POWER_USER = Gate(Role.POWER_USER, TokenScope.POWER_USER, UserScope.POWER_USER)
USER_OR_APP = Gate(Role.USER, None, UserScope.USER)
