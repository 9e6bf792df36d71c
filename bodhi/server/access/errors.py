"""The base of every error that a client sees by a code of its own, and the errors of authentication and access.

Codes and statuses are a contract; messages are not. The other errors stand next to their feature, in its ``errors.py``.
"""

import inspect
from collections.abc import Iterator
from typing import ClassVar

from bodhi import database
from bodhi.errors import BodhiError


class ApiError(BodhiError):
    """A request failed for a reason that has a code; a subclass's docstring is the message for the client.

    Nothing in an error is secret or the identity provider's own text. Abstract classes have no code.
    """

    status: int
    code: str = ""
    type: ClassVar[str | None] = None  # of the envelope; None: as the status says
    title: ClassVar[str | None] = None  # of its page; None: as the status says
    leads_to_login: ClassVar[bool | None] = None  # whether its page does; None: as the status says

    def __init__(self, message: str | None = None, *, status: int | None = None, **param: str) -> None:
        """*param* are details for the client, by name; *status* and *message* replace those of the class."""
        self.message = message or self.default_message()
        super().__init__(self.message)
        self.param = param
        if status is not None:
            self.status = status

    @classmethod
    def default_message(cls) -> str:
        """The class's docstring as one line."""
        return " ".join(inspect.cleandoc(cls.__doc__ or cls.__name__).split())


def api_error_of(error: BodhiError) -> ApiError | None:
    """What clients see of *error*, if it has a code: also of a database that does not answer."""
    if isinstance(error, database.DatabaseUnavailable):
        return DatabaseUnavailable()
    return error if isinstance(error, ApiError) else None


def api_errors(base: type[ApiError] = ApiError) -> Iterator["type[ApiError]"]:
    """Every imported error class that has a code."""
    for cls in base.__subclasses__():
        if cls.code:
            yield cls
        yield from api_errors(cls)


class NotSignedIn(ApiError):
    """Nobody is logged in, or the login has ended."""

    status = 401
    code = "auth_error-invalid_access"


class NoRole(ApiError):
    """This user has no role here."""

    status = 401
    code = "auth_error-missing_roles"
    title = "Not allowed"  # a 401 to programs, but of somebody who is logged in
    leads_to_login = False


class TokenInactive(ApiError):
    """This API token is not active."""

    status = 401
    code = "auth_error-token_inactive"


class LoginEnded(ApiError):
    """The login has ended. Log in again."""

    status = 401
    code = "auth_error-refresh_token_not_found"


class RefreshRefused(ApiError):
    """The identity provider refused to renew the login. Sign in again."""

    status = 401
    code = "auth_error-refresh_refused"


class InvalidAuthorizationHeader(ApiError):
    """The Authorization header is not understood."""

    status = 401
    code = "auth_error-invalid_token"


class NotSetUp(ApiError):
    """This server is not set up yet."""

    status = 500
    code = "auth_error-app_status_invalid"
    type = "invalid_app_state"


class RecentLoginRequired(ApiError):
    """This needs a recent sign-in. Sign in again to continue."""

    status = 403
    code = "auth_error-recent_login_required"
    title = "Sign in again to continue"


class ProviderUnavailable(ApiError):
    """The identity provider does not answer. Try again in a moment."""

    status = 503
    code = "auth_error-idp_unavailable"


class DatabaseUnavailable(ApiError):
    """The database does not answer. Try again in a moment."""

    status = 503
    code = "auth_error-database_unavailable"


class InvalidToken(ApiError):
    """The token is not valid."""

    status = 401
    code = "token_error-invalid_token"


class InvalidSignature(ApiError):
    """The token's signature is not valid."""

    status = 401
    code = "token_error-json_web_token"


class InvalidIssuer(ApiError):
    """The token comes from another issuer."""

    status = 401
    code = "token_error-invalid_issuer"


class InvalidAudience(ApiError):
    """The token is meant for somebody else."""

    status = 401
    code = "token_error-invalid_audience"


class TokenExpired(ApiError):
    """The token has expired."""

    status = 401
    code = "token_error-expired"


class InvalidRoleName(ApiError):
    """There is no such role."""

    status = 400
    code = "role_error-invalid_role_name"


class UnknownRole(InvalidRoleName):
    """None of this user's roles is known here."""

    status = 401


class InvalidTokenScope(ApiError):
    """There is no such token scope."""

    status = 400
    code = "token_scope_error-invalid_token_scope"


class MissingOfflineAccess(ApiError):
    """A token scope needs offline_access beside it."""

    status = 400
    code = "token_scope_error-missing_offline_access"


class MissingTokenScope(ApiError):
    """There is no token scope in it."""

    status = 400
    code = "token_scope_error-missing_token_scope"


class InvalidUserScope(ApiError):
    """There is no such user scope."""

    status = 400
    code = "user_scope_error-invalid_user_scope"


class MissingUserScope(ApiError):
    """There is no user scope in it."""

    status = 400
    code = "user_scope_error-missing_user_scope"


class InvalidScope(ApiError):
    """There is no such scope."""

    status = 400
    code = "resource_scope_error-invalid_scope"


class MissingAuthentication(ApiError):
    """This needs a login or a token that is accepted here."""

    status = 401
    code = "api_auth_error-missing_auth"


class Forbidden(ApiError):
    """The role or scope is too low for this."""

    status = 403
    code = "api_auth_error-forbidden"


class AlreadyDecided(ApiError):
    """The request was decided already."""

    status = 409
    code = "access_request_error-already_processed"


class UserNotFound(ApiError):
    """There is no such user."""

    status = 404
    code = "user_route_error-user_not_found"


class UsersNotListed(ApiError):
    """The users could not be listed."""

    status = 500
    code = "user_route_error-list_failed"


class SessionsNotEnded(ApiError):
    """The user's sessions could not be ended. Try again."""

    status = 500
    code = "user_route_error-session_clear_failed"


class NotRegistered(ApiError):
    """This server is not registered at an identity provider."""

    status = 500
    code = "app_instance_error-not_found"


class AlreadySetUp(ApiError):
    """This server is set up already."""

    status = 400
    code = "app_service_error-already_setup"


class ProviderRefused(ApiError):
    """The identity provider refused."""

    status = 500
    code = "auth_service_error-auth_service_api_error"


class ProviderCallNotSupported(ApiError):
    """The identity provider has no such management call."""

    status = 501
    code = "auth_service_error-not_supported"


class AccessScopeNotFound(ApiError):
    """There is no such app access request."""

    status = 403
    code = "access_request_validation_error-scope_not_found"


class AccessNotApproved(ApiError):
    """The app access request is not approved."""

    status = 403
    code = "access_request_validation_error-not_approved"


class AccessOfAnotherApp(ApiError):
    """The app access request is another application's."""

    status = 403
    code = "access_request_validation_error-app_client_mismatch"


class AccessOfAnotherUser(ApiError):
    """The app access request is another user's."""

    status = 403
    code = "access_request_validation_error-user_mismatch"


class AccessRequestIdMismatch(ApiError):
    """The token is for another app access request."""

    status = 403
    code = "access_request_validation_error-access_request_id_mismatch"
