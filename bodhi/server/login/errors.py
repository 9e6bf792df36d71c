"""Errors of this feature, as clients see them."""

from bodhi.server.access.errors import ApiError


class InvalidLogoutToken(ApiError):
    """The logout token is not valid, or was used already."""

    status = 400
    code = "auth_error-invalid_logout_token"


class LoginNotConfigured(ApiError):
    """This server is not registered at an identity provider."""

    status = 500
    code = "login_error-app_instance_not_found"


class LoginNotSetUp(ApiError):
    """This server is not set up yet."""

    status = 500
    code = "login_error-app_status_invalid"
    type = "invalid_app_state"


class LoginNotStarted(ApiError):
    """No login was begun in this browser, or it took too long. Begin again."""

    status = 400
    code = "login_error-session_info_not_found"


class LoginFailed(ApiError):
    """The identity provider did not log you in. Begin again."""

    status = 400
    code = "login_error-o_auth_error"


class MissingState(ApiError):
    """The answer of the identity provider lacks its state. Begin again."""

    status = 400
    code = "login_error-missing_state"


class StateMismatch(ApiError):
    """The answer belongs to another login. Begin again."""

    status = 400
    code = "login_error-state_digest_mismatch"


class MissingCode(ApiError):
    """The answer of the identity provider lacks its code. Begin again."""

    status = 400
    code = "login_error-missing_code"


class InvalidCallbackUrl(ApiError):
    """The address to return to is not readable."""

    status = 500
    code = "login_error-parse_error"


class AccessChanged(ApiError):
    """Your access was changed while you logged in. Log in again."""

    status = 409
    code = "login_error-access_changed"


class OtherUserSignedIn(ApiError):
    """Somebody else is logged in with this browser. Log out first, then log in again."""

    status = 409
    code = "login_error-other_user"


class LogoutFailed(ApiError):
    """The session could not be ended, since its database does not answer. Try again in a moment."""

    status = 503
    code = "login_error-session_delete"
