"""API errors of the setup."""

from bodhi.server.access.errors import ApiError


class ServerNameTooShort(ApiError):
    """The name must have at least 10 bytes."""

    status = 400
    code = "app_service_error-server_name_too_short"


class WrongSetupSecret(ApiError):
    """The setup secret is missing or wrong."""

    status = 403
    code = "app_service_error-wrong_setup_secret"
