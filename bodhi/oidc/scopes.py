"""The scopes that a login requests."""

from bodhi.oidc.discovery import Metadata

DEFAULT = ("openid", "email", "profile")

# Providers that give refresh tokens only for offline_access, and ignore it where a client may not have it: the member
# of the metadata, and the end of its value, by which each is known. At Keycloak it creates logins that outlive the
# sign-out, and at Authelia, Duende, Okta and LemonLDAP::NG it is refused unless the client is registered for it.
_WANT_OFFLINE_ACCESS = {
    "Auth0, Dex": ("device_authorization_endpoint", "/device/code"),
    "Authentik": ("authorization_endpoint", "/application/o/authorize/"),
    "better-auth": ("authorization_endpoint", "/api/auth/oauth2/authorize"),
    "Entra ID": ("device_authorization_endpoint", "/oauth2/v2.0/devicecode"),
    "Zitadel": ("authorization_endpoint", "/oauth/v2/authorize"),
}


def scopes_to_request(metadata: Metadata, *, configured: str | None, is_keycloak: bool) -> str:
    """Return the *configured* scopes, else the default and what the provider needs for roles and refresh tokens."""
    if configured is not None:
        return configured
    supported = metadata.announced("scopes_supported") or ()
    scopes = [*DEFAULT]
    if is_keycloak or "roles" in supported:
        scopes.append("roles")
    if "offline_access" in supported and wants_offline_access(metadata):
        scopes.append("offline_access")
    return " ".join(scopes)


def unsupported_scopes(metadata: Metadata, scopes: str) -> list[str]:
    """Return those of *scopes* that the provider does not announce; none if it announces no scopes at all."""
    supported = metadata.announced("scopes_supported")
    return [] if supported is None else [scope for scope in scopes.split() if scope not in supported]


def wants_offline_access(metadata: Metadata) -> bool:
    """Return whether this is a provider that is known to give refresh tokens only for ``offline_access``."""
    return any(str(metadata.raw.get(member)).endswith(end) for member, end in _WANT_OFFLINE_ACCESS.values())
