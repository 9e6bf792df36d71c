"""The settings of logins: the identity provider, what its answers mean, and whose requests are trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from bodhi.settings import kinds, names
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.urls import mask_http_url

ROLES = ("resource_user", "resource_power_user", "resource_manager", "resource_admin")


def _issuer(values: Mapping[str, Any]) -> str | None:
    if values["auth_url"] is None or values["auth_realm"] is None:
        return None
    return f"{values['auth_url']}/realms/{values['auth_realm']}"


@dataclass(frozen=True, repr=False)
class AuthSettings:
    """Logins: the identity provider, and whose requests are trusted."""

    dev: Annotated[
        bool,
        Setting(
            names.BODHI_DEV,
            kinds.switch(),
            "false",
            "Start a development identity provider beside the server, with the users admin, manager, power, user and "
            "nobody and no passwords. Needs a loopback BODHI_HOST, one worker and BODHI_ENV_TYPE=development.",
        ),
    ]
    dev_port: Annotated[
        int,
        Setting(
            names.BODHI_DEV_PORT,
            kinds.whole_number(0, 65_535),
            "1136",
            "Port of the development identity provider; 0 is any free one.",
        ),
    ]
    auth_url: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_URL,
            kinds.http_url(),
            None,
            "URL of a Keycloak server; with BODHI_AUTH_REALM it gives the issuer, URL/realms/REALM.",
            mask=mask_http_url,
        ),
    ]
    auth_realm: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_REALM,
            kinds.pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "1 to 128 letters, digits and any of . _ -"),
            None,
            "Realm on the Keycloak server of BODHI_AUTH_URL.",
        ),
    ]
    auth_issuer: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_ISSUER,
            kinds.http_url(keeps_slash=True),
            Derived("BODHI_AUTH_URL/realms/BODHI_AUTH_REALM when both are set, else none", _issuer),
            "Issuer of the OpenID Connect provider, exactly as its tokens name it. Without one nobody can log in.",
            mask=mask_http_url,
        ),
    ]
    auth_management: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_MANAGEMENT,
            kinds.switch(),
            Derived("true when BODHI_AUTH_URL is set", lambda values: values["auth_url"] is not None),
            "Whether the provider has bodhi's management calls (registering clients, roles and users). Without them "
            "the routes that need one answer 501.",
        ),
    ]
    auth_timeout_seconds: Annotated[
        float,
        Setting(
            names.BODHI_AUTH_TIMEOUT,
            kinds.fine_seconds(0.1, 60),
            "5",
            "Longest time that a request waits for one answer of the identity provider.",
        ),
    ]
    auth_logout: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_LOGOUT,
            kinds.switch(),
            Derived("true when BODHI_DEV is true, else false", lambda values: values["dev"]),
            "Whether a logout goes on to the provider's logout page, where it has one, so that its session ends too. "
            "Otherwise who clicks to log in again may be in without being asked.",
        ),
    ]
    auth_roles_claim: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_ROLES_CLAIM,
            kinds.pattern(
                r"[^\s,]{1,255}", "names separated by dots, or a JSON Pointer such as /https:~1~1example.org~1roles"
            ),
            "resource_access.<client_id>.roles",
            "Claim that lists a person's roles: a path of names, where <client_id> stands for the client's own id.",
        ),
    ]
    auth_roles: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            names.BODHI_AUTH_ROLES,
            kinds.pairs(ROLES),
            Derived("the names of the four roles themselves", lambda _: ()),
            "What the provider's role names mean here, such as staff=resource_user,boss=resource_admin.",
        ),
    ]
    auth_app_roles: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_APP_ROLES,
            kinds.choice("capped", "provider"),
            "capped",
            "What another application may do for a person. capped: what the provider grants it, and never more than "
            "the person's role as last known here; nothing for people who never logged in. provider: what the "
            "provider grants it.",
        ),
    ]
    auth_scopes: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_SCOPES,
            kinds.pattern(r"openid( [!#-\[\]-~]+)*", "openid and further scopes, separated by spaces"),
            "openid email profile roles",
            "Scopes that a login asks for.",
        ),
    ]
    auth_access_tokens: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_ACCESS_TOKENS,
            kinds.choice("jwt", "opaque"),
            "jwt",
            "jwt: a person's name and roles are read from the access token, and from the ID token what that lacks. "
            "opaque: from the ID token alone, for providers whose access tokens name people otherwise.",
        ),
    ]
    auth_refresh_reuse: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_REFRESH_REUSE,
            kinds.switch(),
            "false",
            "Whether the provider takes a refresh token twice, so that a refresh that timed out may be tried again.",
        ),
    ]
    auth_role_max_age_seconds: Annotated[
        int,
        Setting(
            names.BODHI_AUTH_ROLE_MAX_AGE,
            kinds.seconds(7_200, 315_360_000),
            "30d",
            "How long a role counts for API tokens and other applications after the provider last confirmed it, by a "
            "login or a refresh. Tokens of somebody who was away for longer are refused until they log in again.",
        ),
    ]
    auth_recent_seconds: Annotated[
        int,
        Setting(
            names.BODHI_AUTH_RECENT_SECONDS,
            kinds.seconds(0, 2_592_000),
            "15m",
            "How long after signing in people may create API tokens in the browser, and managers and administrators "
            "may make changes. Afterwards they are asked to sign in again; 0 never asks.",
        ),
    ]
    client_id: Annotated[
        str | None,
        Setting(
            names.BODHI_CLIENT_ID,
            kinds.pattern(r"[!-~]{1,255}", "1 to 255 characters of ASCII without spaces"),
            None,
            "Id of this server as a client of the provider. Not set: POST /bodhi/v1/setup registers one.",
        ),
    ]
    client_secret: Annotated[
        str | None,
        Setting(
            names.BODHI_CLIENT_SECRET,
            kinds.pattern(r"[ -~]{1,1024}", "1 to 1024 characters of ASCII"),
            None,
            "Secret that belongs to BODHI_CLIENT_ID.",
            refused_in={Source.COMMAND_LINE: "there other users of the machine can read it"},
            secret=True,
        ),
    ]
    client_status: Annotated[
        str,
        Setting(
            names.BODHI_CLIENT_STATUS,
            kinds.choice("ready", "resource-admin"),
            "ready",
            "Status of a client from BODHI_CLIENT_ID. resource-admin: who logs in first becomes the administrator.",
        ),
    ]
    setup_secret: Annotated[
        str | None,
        Setting(
            names.BODHI_SETUP_SECRET,
            kinds.pattern(r"[!-~]{16,255}", "16 to 255 characters of ASCII without spaces"),
            None,
            "Secret that POST /bodhi/v1/setup asks for in the header X-Setup-Secret.",
            refused_in={Source.COMMAND_LINE: "there other users of the machine can read it"},
            secret=True,
        ),
    ]
    api_token_lifetime_seconds: Annotated[
        int | None,
        Setting(
            names.BODHI_API_TOKEN_LIFETIME,
            kinds.seconds(60, 315_360_000),
            None,
            "How long an API token lives that was made without expires_at; not set, for ever.",
        ),
    ]
    token_memory_seconds: Annotated[
        int,
        Setting(
            names.BODHI_TOKEN_MEMORY,
            kinds.seconds(0, 300),
            "10",
            "How long a process remembers that a token was valid: what is revoked on another node holds no longer.",
        ),
    ]
    exchange_memory_seconds: Annotated[
        int,
        Setting(
            names.BODHI_EXCHANGE_MEMORY,
            kinds.seconds(0, 3_600),
            "300",
            "How long a process remembers an exchanged token of another application.",
        ),
    ]
    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_TRUSTED_PROXIES,
            kinds.networks(),
            Derived("none", lambda _: ()),
            "Proxies whose X-Forwarded-For, -Proto, -Host, -Method and -Uri headers are believed.",
        ),
    ]
    verify_access_token: Annotated[
        bool,
        Setting(
            names.BODHI_VERIFY_ACCESS_TOKEN,
            kinds.switch(),
            "false",
            "Whether GET /bodhi/v1/auth/verify also gives trusted proxies the access token of who may pass, for the "
            "application behind them. Needs BODHI_TRUSTED_PROXIES, and a proxy that lets nobody else ask there.",
        ),
    ]
    allowed_hosts: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_ALLOWED_HOSTS,
            kinds.hosts(),
            Derived("none", lambda _: ()),
            "Further hosts that requests may be addressed to, beside BODHI_PUBLIC_HOST, BODHI_HOST and loopback names.",
        ),
    ]
    canonical_redirect: Annotated[
        bool,
        Setting(
            names.BODHI_CANONICAL_REDIRECT,
            kinds.switch(),
            "true",
            "Send who comes by another scheme, host or port to the public URL; only when BODHI_PUBLIC_HOST is set.",
        ),
    ]
