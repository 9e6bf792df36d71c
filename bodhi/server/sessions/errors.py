"""API errors of session management."""

from bodhi.server.access.errors import ApiError


class SessionNotFound(ApiError):
    """The session does not exist or has ended."""

    status = 404
    code = "session_error-not_found"
