"""API errors of user management."""

from bodhi.server.access.errors import ApiError


class RoleNotChanged(ApiError):
    """The role could not be changed."""

    status = 500
    code = "user_route_error-role_change_failed"


class UserNotRemoved(ApiError):
    """The user could not be removed."""

    status = 500
    code = "user_route_error-remove_failed"


class InvalidRole(ApiError):
    """The role does not exist or is higher than your own."""

    status = 400
    code = "user_route_error-invalid_role"


class LastAdministrator(ApiError):
    """The last administrator cannot be removed or given another role."""

    status = 409
    code = "user_route_error-last_admin"
