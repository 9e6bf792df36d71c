"""API errors of logins and logouts."""

from typing import Self

from bodhi.oidc.errors import error_code
from bodhi.server.access.errors import ApiError


class InvalidLogoutToken(ApiError):
    """The logout token is invalid or was already used."""

    status = 400
    code = "auth_error-invalid_logout_token"


class UnknownIssuer(ApiError):
    """The issuer is not the configured identity provider."""

    status = 400
    code = "auth_error-unknown_issuer"


# What another attempt of the user does not change.
MISCONFIGURATION = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_response_type", "invalid_request"}
)


class LoginError(ApiError):
    """The sign-in was not completed."""

    leads_to_login = True


class LoginNotConfigured(LoginError):
    """This server is not registered at an identity provider."""

    status = 500
    code = "login_error-app_instance_not_found"


class LoginNotSetUp(LoginError):
    """This server is not set up yet."""

    status = 500
    code = "login_error-app_status_invalid"
    type = "invalid_app_state"


class LoginNotStarted(LoginError):
    """This sign-in was not started in this browser, or it took too long. Try again."""

    status = 400
    code = "login_error-session_info_not_found"


class LoginFailed(LoginError):
    """The identity provider did not complete the sign-in. Try again."""

    status = 400
    code = "login_error-o_auth_error"

    @classmethod
    def by_provider(cls, error: str) -> Self:
        """Return the error for the provider's OAuth error code, which the client is shown if it is well-formed."""
        shown = error_code(error)
        if not shown:
            return cls()
        if shown in MISCONFIGURATION:
            message = f"The identity provider rejects this server ({shown})."
            return cls(f"{message} An administrator has to correct its settings.", error=shown)
        if shown == "access_denied":
            message = "You cancelled the sign-in, or the identity provider denied access (access_denied)."
        else:
            message = f"The identity provider did not complete the sign-in ({shown})."
        return cls(f"{message} Try again.", error=shown)


class MissingState(LoginError):
    """The response of the identity provider lacks its state. Try again."""

    status = 400
    code = "login_error-missing_state"


class StateMismatch(LoginError):
    """The response belongs to another sign-in. Try again."""

    status = 400
    code = "login_error-state_digest_mismatch"


class MissingCode(LoginError):
    """The response of the identity provider lacks its code. Try again."""

    status = 400
    code = "login_error-missing_code"


class InvalidCallbackUrl(LoginError):
    """The return address is invalid."""

    status = 500
    code = "login_error-parse_error"


class AccessChanged(LoginError):
    """Your access changed while you signed in. Sign in again."""

    status = 409
    code = "login_error-access_changed"
    title = "Request failed"  # not a conflicting decision, as other 409s


class OtherUserSignedIn(LoginError):
    """Another user is signed in with this browser. Sign out first, then sign in again."""

    status = 409
    code = "login_error-other_user"


class LogoutFailed(LoginError):
    """You are still signed in: the session database is not responding. Try again in a moment."""

    status = 503
    code = "login_error-session_delete"
