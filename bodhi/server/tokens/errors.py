"""API errors of API tokens."""

from bodhi.server.access.errors import ApiError


class SessionRequired(ApiError):
    """API tokens can only be created in a session."""

    status = 400
    code = "api_token_error-access_token_missing"


class ScopeAboveOwnRole(ApiError):
    """The scope exceeds your own role."""

    status = 400
    code = "api_token_error-privilege_escalation"


class InvalidTokenScopeForUsers(ApiError):
    """API tokens can have only the scope of users or power users."""

    status = 400
    code = "api_token_error-invalid_scope"


class TokenNotFound(ApiError):
    """The API token does not exist."""

    status = 404
    code = "entity_error-not_found"
