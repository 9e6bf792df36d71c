"""API errors of logins and logouts."""

from typing import Self

from bodhi.oidc.errors import error_code
from bodhi.server.access.errors import ApiError


class InvalidLogoutToken(ApiError):
    """The logout token is not valid, or was used already."""

    status = 400
    code = "auth_error-invalid_logout_token"


class UnknownIssuer(ApiError):
    """This is not the issuer of the identity provider."""

    status = 400
    code = "auth_error-unknown_issuer"


# What another attempt of the user does not change.
MISCONFIGURATION = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_response_type", "invalid_request"}
)


class LoginError(ApiError):
    """A login was not completed."""

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
    """No login was begun in this browser, or it took too long. Begin again."""

    status = 400
    code = "login_error-session_info_not_found"


class LoginFailed(LoginError):
    """The identity provider did not log you in. Begin again."""

    status = 400
    code = "login_error-o_auth_error"

    @classmethod
    def by_provider(cls, error: str) -> Self:
        """Return the error for the provider's OAuth error code, which the client is shown if it is well-formed."""
        shown = error_code(error)
        if not shown:
            return cls()
        if shown in MISCONFIGURATION:
            message = f"The identity provider refuses this server ({shown})"
            return cls(f"{message}; whoever runs it has to correct its settings.", error=shown)
        if shown == "access_denied":
            message = "You declined the login at the identity provider, or it denied you access (access_denied)."
        else:
            message = f"The identity provider did not log you in ({shown})."
        return cls(f"{message} Begin again.", error=shown)


class MissingState(LoginError):
    """The answer of the identity provider lacks its state. Begin again."""

    status = 400
    code = "login_error-missing_state"


class StateMismatch(LoginError):
    """The answer belongs to another login. Begin again."""

    status = 400
    code = "login_error-state_digest_mismatch"


class MissingCode(LoginError):
    """The answer of the identity provider lacks its code. Begin again."""

    status = 400
    code = "login_error-missing_code"


class InvalidCallbackUrl(LoginError):
    """The address to return to is not readable."""

    status = 500
    code = "login_error-parse_error"


class AccessChanged(LoginError):
    """Your access was changed while you logged in. Log in again."""

    status = 409
    code = "login_error-access_changed"
    title = "That did not work"  # a 409 that is about no decision of theirs


class OtherUserSignedIn(LoginError):
    """Somebody else is logged in with this browser. Log out first, then log in again."""

    status = 409
    code = "login_error-other_user"


class LogoutFailed(LoginError):
    """The session could not be ended, since its database does not answer. Try again in a moment."""

    status = 503
    code = "login_error-session_delete"
