"""Errors of requests that are refused before their handler runs."""

from bodhi.server.access.errors import ApiError


class CrossSiteRequest(ApiError):
    """Requests from other sites are refused. A program that sends the session cookie must send this server's Origin."""

    status = 403
    code = "auth_error-cross_site_request"


class InvalidRequest(ApiError):
    """The request does not have the expected format."""

    status = 400
    code = "json_rejection_error"


class SessionStoreUnavailable(ApiError):
    """The session database is not responding. Try again in a moment."""

    status = 503
    code = "auth_error-session_store"


class SessionEnded(ApiError):
    """Your session has ended. Sign in again."""

    status = 401
    code = "auth_error-session_gone"


class MalformedRequest(ApiError):
    """The request is malformed."""

    status = 400
    code = "route_error-malformed_request"


class ShuttingDown(ApiError):
    """The server is shutting down."""

    status = 503
    code = "server_error-shutting_down"
