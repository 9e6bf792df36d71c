"""Base class of API errors, and the errors of authentication and access control.

Codes and statuses are stable; messages may change. Features define their own errors in their ``errors.py``.
"""

import inspect
from collections.abc import Iterator
from typing import ClassVar, Self

from bodhi import database
from bodhi.errors import BodhiError


class ApiError(BodhiError):
    """Error with a code for clients; the docstring of a subclass is its default message.

    Errors contain neither secrets nor texts of the identity provider. Abstract classes have no code.
    """

    status: int
    code: str = ""
    type: ClassVar[str | None] = None  # in the envelope; None: derived from the status
    title: ClassVar[str | None] = None  # of the error page; None: derived from the status
    leads_to_login: ClassVar[bool | None] = None  # whether the error page links to the login; None: if it is a 401

    def __init__(self, message: str | None = None, *, status: int | None = None, **param: str) -> None:
        """Create an error; *param* are details for the client, *status* and *message* override the class's."""
        self.message = message or self.default_message()
        super().__init__(self.message)
        self.param = param
        if status is not None:
            self.status = status

    @classmethod
    def by_provider(cls, error: str) -> Self:
        """Return the error for a refusal by the provider with the OAuth error code *error*, or ""."""
        del error  # of no use to clients, except of logins
        return cls()

    @classmethod
    def default_message(cls) -> str:
        """Return the docstring of the class as one line."""
        return " ".join(inspect.cleandoc(cls.__doc__ or cls.__name__).split())


def api_error_of(error: BodhiError) -> ApiError | None:
    """Return the API error for *error*, or None: also for an unavailable database."""
    if isinstance(error, database.DatabaseUnavailable):
        return DatabaseUnavailable()
    return error if isinstance(error, ApiError) else None


def api_errors(base: type[ApiError] = ApiError) -> Iterator["type[ApiError]"]:
    """Yield all imported error classes with a code."""
    for cls in base.__subclasses__():
        if cls.code:
            yield cls
        yield from api_errors(cls)


class NotSignedIn(ApiError):
    """You are not signed in, or your session has ended."""

    status = 401
    code = "auth_error-invalid_access"


class NoRole(ApiError):
    """Your account has no role on this server. You can request access on the home page."""

    status = 401
    code = "auth_error-missing_roles"
    title = "You have no role yet"  # a 401 for programs, but the user is logged in
    leads_to_login = False


class NotAllowed(ApiError):
    """This account is not allowed to sign in here. Use another account, or contact an administrator."""

    status = 403
    code = "login_error-not_allowed"
    leads_to_login = True


class TokenInactive(ApiError):
    """This API token is inactive or has expired."""

    status = 401
    code = "auth_error-token_inactive"


class LoginEnded(ApiError):
    """Your session has expired. Sign in again."""

    status = 401
    code = "auth_error-refresh_token_not_found"


class RefreshRefused(ApiError):
    """The identity provider refused to renew your session. Sign in again."""

    status = 401
    code = "auth_error-refresh_refused"


class InvalidAuthorizationHeader(ApiError):
    """The Authorization header is invalid."""

    status = 401
    code = "auth_error-invalid_token"


class NotSetUp(ApiError):
    """This server is not set up yet."""

    status = 500
    code = "auth_error-app_status_invalid"
    type = "invalid_app_state"


class RecentLoginRequired(ApiError):
    """This action requires a recent sign-in."""

    status = 403
    code = "auth_error-recent_login_required"
    title = "Sign in again to continue"


class TooManyRequests(ApiError):
    """Too many requests from this address. Try again later."""

    status = 429
    code = "rate_limit_error-too_many_requests"

    def __init__(self, *, retry_after_seconds: int | None = None) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class ProviderUnavailable(ApiError):
    """The identity provider is not responding. Try again in a moment."""

    status = 503
    code = "auth_error-idp_unavailable"


class ProviderMisconfigured(ProviderUnavailable):
    """This server's settings for the identity provider are wrong. An administrator has to correct them."""

    title = "Something went wrong"  # not temporarily unavailable, as other 503s


class DatabaseUnavailable(ApiError):
    """The database is not responding. Try again in a moment."""

    status = 503
    code = "auth_error-database_unavailable"


class InvalidToken(ApiError):
    """The token is invalid."""

    status = 401
    code = "token_error-invalid_token"


class InvalidSignature(ApiError):
    """The token's signature is invalid."""

    status = 401
    code = "token_error-json_web_token"


class InvalidIssuer(ApiError):
    """The token was issued by another issuer."""

    status = 401
    code = "token_error-invalid_issuer"


class InvalidAudience(ApiError):
    """The token is for another audience."""

    status = 401
    code = "token_error-invalid_audience"


class TokenExpired(ApiError):
    """The token has expired."""

    status = 401
    code = "token_error-expired"


class InvalidRoleName(ApiError):
    """The role does not exist."""

    status = 400
    code = "role_error-invalid_role_name"


class UnknownRole(InvalidRoleName):
    """None of your roles exists on this server. You can request access on the home page."""

    status = 401
    title = "You have no role yet"
    leads_to_login = False


class InvalidTokenScope(ApiError):
    """The token scope does not exist."""

    status = 400
    code = "token_scope_error-invalid_token_scope"


class MissingOfflineAccess(ApiError):
    """A token scope requires offline_access."""

    status = 400
    code = "token_scope_error-missing_offline_access"


class MissingTokenScope(ApiError):
    """The scope contains no token scope."""

    status = 400
    code = "token_scope_error-missing_token_scope"


class InvalidUserScope(ApiError):
    """The user scope does not exist."""

    status = 400
    code = "user_scope_error-invalid_user_scope"


class MissingUserScope(ApiError):
    """The scope contains no user scope."""

    status = 400
    code = "user_scope_error-missing_user_scope"


class InvalidScope(ApiError):
    """The scope does not exist."""

    status = 400
    code = "resource_scope_error-invalid_scope"


class MissingAuthentication(ApiError):
    """Authentication is required."""

    status = 401
    code = "api_auth_error-missing_auth"


class Forbidden(ApiError):
    """Your role or scope does not permit this action."""

    status = 403
    code = "api_auth_error-forbidden"


class AlreadyDecided(ApiError):
    """This request has already been decided."""

    status = 409
    code = "access_request_error-already_processed"


class UserNotFound(ApiError):
    """The user does not exist."""

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


class SessionsNotEndedInOutage(SessionsNotEnded):
    """The user's sessions could not be ended: a database is not responding. Try again in a moment."""

    status = 503


class NotRegistered(ApiError):
    """This server is not registered at an identity provider."""

    status = 500
    code = "app_instance_error-not_found"


class AlreadySetUp(ApiError):
    """This server is already set up."""

    status = 400
    code = "app_service_error-already_setup"


class ProviderRefused(ApiError):
    """The identity provider refused the request."""

    status = 500
    code = "auth_service_error-auth_service_api_error"


class ProviderCallNotSupported(ApiError):
    """The identity provider does not support this management call."""

    status = 501
    code = "auth_service_error-not_supported"


class AccessScopeNotFound(ApiError):
    """The app access request does not exist."""

    status = 403
    code = "access_request_validation_error-scope_not_found"


class AccessNotApproved(ApiError):
    """The app access request is not approved."""

    status = 403
    code = "access_request_validation_error-not_approved"


class AccessOfAnotherApp(ApiError):
    """The app access request belongs to another application."""

    status = 403
    code = "access_request_validation_error-app_client_mismatch"


class AccessOfAnotherUser(ApiError):
    """The app access request belongs to another user."""

    status = 403
    code = "access_request_validation_error-user_mismatch"


class AccessRequestIdMismatch(ApiError):
    """The token is for another app access request."""

    status = 403
    code = "access_request_validation_error-access_request_id_mismatch"
