"""Every error that a client is told by a code of its own: the catalogue, and the exception that carries one.

``<family>-<detail>`` with its status and what it says to people. Codes are a contract; texts are not.
"""

from collections.abc import Mapping

from bodhi.errors import BodhiError

CATALOGUE: Mapping[str, tuple[int, str]] = {
    "auth_error-invalid_access": (401, "Nobody is logged in, or the login has ended."),
    "auth_error-missing_roles": (401, "This user has no role here."),
    "auth_error-token_inactive": (401, "This API token is not active."),
    "auth_error-refresh_token_not_found": (401, "The login has ended. Log in again."),
    "auth_error-refresh_refused": (401, "The identity provider refused to renew the login. Sign in again."),
    "auth_error-invalid_token": (401, "The Authorization header is not understood."),
    "auth_error-app_status_invalid": (500, "This server is not set up yet."),
    "auth_error-cross_site_request": (
        403,
        "Requests from other sites are not accepted. With the session's cookie a program sends this server's Origin.",
    ),
    "auth_error-recent_login_required": (403, "This needs a recent sign-in. Sign in again to continue."),
    "auth_error-invalid_logout_token": (400, "The logout token is not valid, or was used already."),
    "auth_error-idp_unavailable": (503, "The identity provider does not answer. Try again in a moment."),
    "auth_error-database_unavailable": (503, "The database does not answer. Try again in a moment."),
    "token_error-invalid_token": (401, "The token is not valid."),
    "token_error-json_web_token": (401, "The token's signature is not valid."),
    "token_error-invalid_issuer": (401, "The token comes from another issuer."),
    "token_error-invalid_audience": (401, "The token is meant for somebody else."),
    "token_error-expired": (401, "The token has expired."),
    "access_request_validation_error-scope_not_found": (403, "There is no such app access request."),
    "access_request_validation_error-not_approved": (403, "The app access request is not approved."),
    "access_request_validation_error-app_client_mismatch": (403, "The app access request is another application's."),
    "access_request_validation_error-user_mismatch": (403, "The app access request is another user's."),
    "access_request_validation_error-access_request_id_mismatch": (403, "The token is for another app access request."),
    "role_error-invalid_role_name": (400, "There is no such role."),
    "token_scope_error-invalid_token_scope": (400, "There is no such token scope."),
    "token_scope_error-missing_offline_access": (400, "A token scope needs offline_access beside it."),
    "token_scope_error-missing_token_scope": (400, "There is no token scope in it."),
    "user_scope_error-invalid_user_scope": (400, "There is no such user scope."),
    "user_scope_error-missing_user_scope": (400, "There is no user scope in it."),
    "resource_scope_error-invalid_scope": (400, "There is no such scope."),
    "api_auth_error-missing_auth": (401, "This needs a login or a token that is accepted here."),
    "api_auth_error-forbidden": (403, "The role or scope is too low for this."),
    "access_request_auth_error-missing_auth": (401, "This needs an approved app access request."),
    "access_request_auth_error-entity_not_found": (404, "The address names no entity."),
    "access_request_auth_error-access_request_not_found": (403, "There is no such app access request."),
    "access_request_auth_error-access_request_not_approved": (403, "The app access request is not approved."),
    "access_request_auth_error-access_request_invalid": (403, "The app access request approves nothing."),
    "access_request_auth_error-app_client_mismatch": (403, "The app access request is another application's."),
    "access_request_auth_error-user_mismatch": (403, "The app access request is another user's."),
    "access_request_auth_error-entity_not_approved": (403, "The app access request does not approve this entity."),
    "access_request_auth_error-invalid_approved_json": (500, "What the app access request approves is not readable."),
    "login_error-app_instance_not_found": (500, "This server is not registered at an identity provider."),
    "login_error-app_status_invalid": (500, "This server is not set up yet."),
    "login_error-session_info_not_found": (
        400,
        "No login was begun in this browser, or it took too long. Begin again.",
    ),
    "login_error-o_auth_error": (400, "The identity provider did not log you in. Begin again."),
    "login_error-missing_state": (400, "The answer of the identity provider lacks its state. Begin again."),
    "login_error-state_digest_mismatch": (400, "The answer belongs to another login. Begin again."),
    "login_error-missing_code": (400, "The answer of the identity provider lacks its code. Begin again."),
    "login_error-parse_error": (500, "The address to return to is not readable."),
    "login_error-access_changed": (409, "Your access was changed while you logged in. Log in again."),
    "login_error-other_user": (409, "Somebody else is logged in with this browser. Log out first, then log in again."),
    "login_error-session_delete": (500, "The session could not be ended. Try again."),
    "access_request_error-already_pending": (409, "Access was requested already."),
    "access_request_error-already_has_access": (422, "You have access already."),
    "access_request_error-pending_request_not_found": (404, "No access request is pending."),
    "access_request_error-request_not_found": (404, "There is no such access request."),
    "access_request_error-insufficient_privileges": (400, "The role is above your own."),
    "access_request_error-fetch_failed": (500, "The access requests could not be read."),
    "access_request_error-not_found": (404, "There is no such app access request."),
    "access_request_error-expired": (404, "The app access request has expired."),
    "access_request_error-already_processed": (409, "The request was decided already."),
    "access_request_error-kc_registration_failed": (500, "The identity provider did not register the access."),
    "access_request_error-too_many_drafts": (429, "Too many app access requests wait for an answer."),
    "app_access_request_error-not_found": (404, "There is no such app access request."),
    "app_access_request_error-invalid_flow_type": (400, "The flow type is redirect or popup."),
    "app_access_request_error-missing_redirect_url": (400, "The redirect flow needs a redirect URL."),
    "app_access_request_error-invalid_redirect_url": (400, "The redirect URL is not an absolute http(s) URL."),
    "user_route_error-list_failed": (500, "The users could not be listed."),
    "user_route_error-role_change_failed": (500, "The role could not be changed."),
    "user_route_error-remove_failed": (500, "The user could not be removed."),
    "user_route_error-invalid_role": (400, "There is no such role, or it is above your own."),
    "user_route_error-user_not_found": (404, "There is no such user."),
    "user_route_error-last_admin": (409, "The last administrator stays."),
    "user_route_error-session_clear_failed": (500, "The user's sessions could not be ended. Try again."),
    "session_error-not_found": (404, "There is no such session."),
    "api_token_error-access_token_missing": (400, "API tokens are made in a session."),
    "api_token_error-privilege_escalation": (400, "The scope is above your own role."),
    "api_token_error-invalid_scope": (400, "API tokens have the scope of users or of power users."),
    "entity_error-not_found": (404, "There is no such thing."),
    "app_service_error-already_setup": (400, "This server is set up already."),
    "app_service_error-server_name_too_short": (400, "The name has at least 10 bytes."),
    "app_service_error-wrong_setup_secret": (403, "The setup secret is missing or wrong."),
    "app_instance_error-not_found": (500, "This server is not registered at an identity provider."),
    "auth_service_error-auth_service_api_error": (500, "The identity provider refused."),
    "auth_service_error-not_supported": (501, "The identity provider has no such management call."),
    "settings_error-bodhi_home": (400, "The home folder is not changed here."),
    "settings_error-not_found": (404, "There is no such setting."),
    "settings_error-unsupported": (400, "This setting is not changed here."),
    "settings_metadata_error-invalid_value_type": (400, "The value has the wrong type."),
    "settings_metadata_error-invalid_value": (400, "The value is not allowed."),
    "settings_metadata_error-null_value": (400, "The value is missing."),
    "json_rejection_error": (400, "The request does not have the form that this address takes."),
}


class Refusal(BodhiError):
    """A request was refused for a reason that has a code.

    *status* and *message* are given where they are others than the catalogue's; *param* are named details for the
    client. They hold nothing secret and nothing of an identity provider's own text.
    """

    def __init__(self, code: str, *, status: int | None = None, message: str | None = None, **param: str) -> None:
        usual_status, usual_message = CATALOGUE[code]
        self.code = code
        self.status = status or usual_status
        self.message = message or usual_message
        super().__init__(self.message)
        self.param = param
