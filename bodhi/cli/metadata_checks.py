"""Checks of settings against the lists in the provider's metadata."""

from collections.abc import Collection, Iterator

from bodhi.cli.findings import Finding, listed
from bodhi.cli.findings import provider_finding as finding
from bodhi.oidc.client_authentication import BASIC, METHODS, POST, PRIVATE_KEY_JWT
from bodhi.oidc.discovery import Metadata
from bodhi.oidc.scopes import scopes_to_request, unsupported_scopes
from bodhi.server.http.paths import LOGIN_PATH
from bodhi.settings import Settings

ISSUER = "BODHI_AUTH_ISSUER"  # for what no other setting can change


def metadata_findings(settings: Settings, metadata: Metadata) -> Iterator[Finding]:
    """Yield what the provider lacks that the settings want, and the scopes of a login."""
    yield _scopes(settings, metadata)
    yield from _authentication(settings, metadata)
    yield from _flow(metadata)
    yield from _refresh(settings, metadata)
    yield from _endpoints(settings, metadata)


def _scopes(settings: Settings, metadata: Metadata) -> Finding:
    setting = "BODHI_AUTH_SCOPES"
    is_keycloak = settings.auth_url is not None
    scopes = scopes_to_request(metadata, configured=settings.auth_scopes, is_keycloak=is_keycloak)
    unsupported = unsupported_scopes(metadata, scopes)
    supported = metadata.announced("scopes_supported") or ()
    if unsupported:
        message = f"the provider does not announce {' '.join(unsupported)}, but {listed(supported)}"
        return finding(setting, "warning", message, "remove it, unless the provider supports it without announcing it")
    if "offline_access" in supported and "offline_access" not in scopes.split() and not is_keycloak:
        advice = "if the provider gives no refresh tokens, request offline_access as well"
        return finding(setting, "ok", f"a login requests {scopes}", advice)
    return finding(setting, "ok", f"a login requests {scopes}")


def _authentication(settings: Settings, metadata: Metadata) -> Iterator[Finding]:
    setting = "BODHI_AUTH_CLIENT_AUTHENTICATION"
    announced = metadata.token.methods
    configured = METHODS.get(settings.auth_client_authentication)
    if not announced:
        return
    if configured is None:
        usable = {PRIVATE_KEY_JWT} if settings.client_key is not None else {BASIC, POST}
    else:
        usable = {configured}
    if not usable & set(announced):
        quoted = [f"'{method}'" for method in sorted(usable)]
        message = f"the provider announces {listed(announced, quoted=True)}, not {' or '.join(quoted)}"
        yield finding(setting, "warning", message, _other_method(settings, announced))


def _other_method(settings: Settings, announced: Collection[str]) -> str:
    has_key = settings.client_key is not None
    usable = {BASIC, POST, PRIVATE_KEY_JWT} if has_key else {BASIC, POST}
    values = [value for value, method in METHODS.items() if method in usable & set(announced)]
    if values:
        return f"set it to {' or '.join(values)}, as the client is registered"
    if PRIVATE_KEY_JWT in announced:
        return "private_key_jwt needs BODHI_CLIENT_KEY"
    if has_key:
        return "check at the provider how this client authenticates; none of the announced methods can be set"
    if settings.auth_client_authentication == "auto":
        return "no setting helps, and none is needed if a login works: auto tries both"
    return "set it to auto, which tries client_secret_basic and client_secret_post"


def _flow(metadata: Metadata) -> Iterator[Finding]:
    responses = metadata.announced("response_types_supported")
    if responses and "code" not in responses:
        yield finding(ISSUER, "fault", f"the provider has no code flow, but {listed(responses)}")
    grants = metadata.announced("grant_types_supported")
    if grants and "authorization_code" not in grants:
        yield finding(ISSUER, "fault", f"the provider has no grant authorization_code, but {listed(grants)}")
    challenges = metadata.announced("code_challenge_methods_supported")
    if challenges is not None and "S256" not in challenges:
        message = f"the provider does not announce PKCE with S256, but {listed(challenges)}"
        yield finding(ISSUER, "warning", message, "enable it at the provider; a login sends it in any case")
    if metadata.raw.get("require_pushed_authorization_requests") is True:
        message = "the provider requires pushed authorization requests (PAR), which bodhi does not send"
        yield finding(ISSUER, "fault", message, "turn this off at the provider, at least for this client")


def _refresh(settings: Settings, metadata: Metadata) -> Iterator[Finding]:
    grants = metadata.announced("grant_types_supported")
    if not grants or "refresh_token" in grants:
        return
    message = "the provider does not announce refresh tokens; if it gives none, a login"
    if settings.auth_without_refresh == "keep":
        yield finding(ISSUER, "ok", f"{message} lives by its own timeouts (BODHI_AUTH_WITHOUT_REFRESH)")
    else:
        advice = (
            "if logins end that early, enable refresh tokens at the provider, or set BODHI_AUTH_WITHOUT_REFRESH=keep"
        )
        yield finding(ISSUER, "warning", f"{message} ends with its access token (BODHI_AUTH_WITHOUT_REFRESH)", advice)


def _endpoints(settings: Settings, metadata: Metadata) -> Iterator[Finding]:
    if settings.auth_logout and metadata.end_session_endpoint is None:
        message = (
            "is true, but the provider announces no end_session_endpoint: a logout does not end the provider's session"
        )
        yield finding("BODHI_AUTH_LOGOUT", "warning", message, "set it to false")
    elif settings.auth_logout:
        return_to = settings.auth_logged_out_url or settings.public_url + LOGIN_PATH
        message = f"register {return_to} as post-logout redirect URI of the client; this cannot be checked from here"
        yield finding("BODHI_AUTH_LOGOUT", "ok", message)
    if settings.auth_userinfo == "always" and metadata.userinfo_endpoint is None:
        message = "is always, but the provider announces no userinfo_endpoint"
        yield finding("BODHI_AUTH_USERINFO", "warning", message, "set it to auto")
