"""Checks of the claims that the settings name against the provider's metadata."""

from collections.abc import Iterator

from bodhi.cli.findings import Finding, listed
from bodhi.cli.findings import provider_finding as finding
from bodhi.oidc.claims import path_of
from bodhi.oidc.discovery import Metadata
from bodhi.oidc.scopes import scopes_to_request
from bodhi.server.access.claim_mapping import CLIENT_ID, AllowList
from bodhi.settings import Settings

ROLES_CLAIM = "BODHI_AUTH_ROLES_CLAIM"
DEFAULT_GROUPS = "groups"
_OF_KEYCLOAK = frozenset({"resource_access", "realm_access"})  # which it writes, and does not announce


def claim_findings(settings: Settings, metadata: Metadata) -> Iterator[Finding]:
    """Yield where roles come from, and the claims that the provider may not send."""
    roles_claim = settings.auth_roles_claim.replace(CLIENT_ID, settings.client_id or CLIENT_ID)
    message = f"roles are read from the claim {roles_claim}; if a user has no role, the log gives the reason"
    yield finding(ROLES_CLAIM, "ok", message)
    if not _is_of_keycloak(settings, metadata):
        yield from _unannounced(ROLES_CLAIM, roles_claim, settings, metadata)
    if settings.auth_groups_claim != DEFAULT_GROUPS or AllowList(settings.auth_allow).groups:
        yield from _unannounced("BODHI_AUTH_GROUPS_CLAIM", settings.auth_groups_claim, settings, metadata)
    if settings.auth_name_claim is not None:
        yield from _unannounced("BODHI_AUTH_NAME_CLAIM", settings.auth_name_claim, settings, metadata)


def _is_of_keycloak(settings: Settings, metadata: Metadata) -> bool:
    """Return whether the claim of the roles is Keycloak's, which others can go without if everybody has a role."""
    is_keycloak = metadata.token_endpoint.endswith("/protocol/openid-connect/token")
    is_its_claim = path_of(settings.auth_roles_claim)[0] in _OF_KEYCLOAK
    return is_its_claim and (is_keycloak or settings.auth_default_role is not None)


def _unannounced(setting: str, claim: str, settings: Settings, metadata: Metadata) -> Iterator[Finding]:
    """Yield a scope that may be needed for *claim*, or else that *claim* is not announced."""
    path = path_of(claim)
    names = {".".join(path[:length]) for length in range(1, len(path) + 1)}  # as the claim may be read
    requested = scopes_to_request(metadata, configured=settings.auth_scopes, is_keycloak=settings.auth_url is not None)
    missing = names & set(metadata.announced("scopes_supported") or ()) - set(requested.split())
    announced = metadata.announced("claims_supported")
    if missing:
        scope = min(missing)
        message = f"the provider announces the scope {scope}, which a login does not request"
        advice = f"if logins lack the claim, set BODHI_AUTH_SCOPES={requested} {scope}"
        yield finding(setting, "warning", message, advice)
    elif announced and names.isdisjoint(announced):
        message = f"{claim} is not among the claims that the provider announces: {listed(announced)}"
        yield finding(setting, "warning", message, "correct it, unless the provider sends it without announcing it")
