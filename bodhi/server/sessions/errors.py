"""API errors of session management."""

from bodhi.server.access.errors import ApiError


class SessionNotFound(ApiError):
    """There is no such session."""

    status = 404
    code = "session_error-not_found"
