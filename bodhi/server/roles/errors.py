"""API errors of role requests."""

from bodhi.server.access.errors import ApiError


class AlreadyPending(ApiError):
    """You have already requested access."""

    status = 409
    code = "access_request_error-already_pending"


class AlreadyHasAccess(ApiError):
    """You already have access."""

    status = 422
    code = "access_request_error-already_has_access"


class NoPendingRequest(ApiError):
    """No access request is pending."""

    status = 404
    code = "access_request_error-pending_request_not_found"


class RoleRequestNotFound(ApiError):
    """The access request does not exist."""

    status = 404
    code = "access_request_error-request_not_found"


class RoleAboveOwn(ApiError):
    """The role is higher than your own."""

    status = 400
    code = "access_request_error-insufficient_privileges"


class RoleRequestsUnreadable(ApiError):
    """The access requests could not be read."""

    status = 500
    code = "access_request_error-fetch_failed"
