"""API errors of API tokens."""

from bodhi.server.access.errors import ApiError


class SessionRequired(ApiError):
    """API tokens are made in a session."""

    status = 400
    code = "api_token_error-access_token_missing"


class ScopeAboveOwnRole(ApiError):
    """The scope is above your own role."""

    status = 400
    code = "api_token_error-privilege_escalation"


class InvalidTokenScopeForUsers(ApiError):
    """API tokens have the scope of users or of power users."""

    status = 400
    code = "api_token_error-invalid_scope"


class TokenNotFound(ApiError):
    """There is no such thing."""

    status = 404
    code = "entity_error-not_found"
