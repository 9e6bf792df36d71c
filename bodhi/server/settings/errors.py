"""API errors of the settings."""

from bodhi.server.access.errors import ApiError


class HomeNotEditable(ApiError):
    """The home folder cannot be changed here."""

    status = 400
    code = "settings_error-bodhi_home"


class SettingNotFound(ApiError):
    """The setting does not exist."""

    status = 404
    code = "settings_error-not_found"


class SettingNotEditable(ApiError):
    """This setting cannot be changed here."""

    status = 400
    code = "settings_error-unsupported"


class WrongValueType(ApiError):
    """The value has the wrong type."""

    status = 400
    code = "settings_metadata_error-invalid_value_type"


class InvalidValue(ApiError):
    """The value is not allowed."""

    status = 400
    code = "settings_metadata_error-invalid_value"


class MissingValue(ApiError):
    """The value is missing."""

    status = 400
    code = "settings_metadata_error-null_value"
