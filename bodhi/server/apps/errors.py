"""API errors of app access requests."""

from bodhi.server.access.errors import ApiError


class EntityAccessRequired(ApiError):
    """An approved app access request is required."""

    status = 401
    code = "access_request_auth_error-missing_auth"


class EntityNotNamed(ApiError):
    """The address does not name an entity."""

    status = 404
    code = "access_request_auth_error-entity_not_found"


class EntityAccessNotFound(ApiError):
    """The app access request does not exist."""

    status = 403
    code = "access_request_auth_error-access_request_not_found"


class EntityAccessNotApproved(ApiError):
    """The app access request is not approved."""

    status = 403
    code = "access_request_auth_error-access_request_not_approved"


class EntityAccessEmpty(ApiError):
    """The app access request approves nothing."""

    status = 403
    code = "access_request_auth_error-access_request_invalid"


class EntityAccessOfAnotherApp(ApiError):
    """The app access request belongs to another application."""

    status = 403
    code = "access_request_auth_error-app_client_mismatch"


class EntityAccessOfAnotherUser(ApiError):
    """The app access request belongs to another user."""

    status = 403
    code = "access_request_auth_error-user_mismatch"


class EntityNotApproved(ApiError):
    """The app access request does not include this entity."""

    status = 403
    code = "access_request_auth_error-entity_not_approved"


class EntityAccessUnreadable(ApiError):
    """The approved access could not be read."""

    status = 500
    code = "access_request_auth_error-invalid_approved_json"


class AppRequestNotFound(ApiError):
    """The app access request does not exist."""

    status = 404
    code = "access_request_error-not_found"


class AppRequestExpired(ApiError):
    """The app access request has expired."""

    status = 404
    code = "access_request_error-expired"


class AppNotRegistered(ApiError):
    """The identity provider did not register the access."""

    status = 500
    code = "access_request_error-kc_registration_failed"


class TooManyDrafts(ApiError):
    """Too many app access requests are pending."""

    status = 429
    code = "access_request_error-too_many_drafts"


class AppAccessRequestNotFound(ApiError):
    """The app access request does not exist."""

    status = 404
    code = "app_access_request_error-not_found"


class InvalidFlowType(ApiError):
    """The flow type must be redirect or popup."""

    status = 400
    code = "app_access_request_error-invalid_flow_type"


class MissingRedirectUrl(ApiError):
    """The redirect flow requires a redirect URL."""

    status = 400
    code = "app_access_request_error-missing_redirect_url"


class InvalidRedirectUrl(ApiError):
    """The redirect URL must be an absolute http(s) URL."""

    status = 400
    code = "app_access_request_error-invalid_redirect_url"
