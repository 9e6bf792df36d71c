"""Settings of logins: the identity provider, its claims, and trusted proxies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from bodhi.settings import address_kinds, kinds, list_kinds, names
from bodhi.settings.setting import Derived, Setting, Source
from bodhi.urls import mask_http_url

# Parameters of the authorization request that bodhi sets itself, or that would change what it can check.
OWN_PARAMETERS = (
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
)
OWN_LINK_PARAMETERS = ("arrived", "recent", "return_to")  # of a link to the login
# Headers of GET /bodhi/v1/auth/verify that have their content from elsewhere.
VERIFY_HEADERS = ("User-Id", "Username", "Role", "Email", "Groups", "Access-Token", "Redirect")
ROLES = ("resource_user", "resource_power_user", "resource_manager", "resource_admin")
_CLAIM = "the name of a claim, a path of names separated by dots, or a JSON Pointer such as /app~1x/roles"


def _issuer(values: Mapping[str, Any]) -> str | None:
    if values["auth_url"] is None or values["auth_realm"] is None:
        return None
    return f"{values['auth_url']}/realms/{values['auth_realm']}"


@dataclass(frozen=True, repr=False)
class AuthSettings:
    """Logins: the identity provider, its claims, and trusted proxies."""

    dev: Annotated[
        bool,
        Setting(
            names.BODHI_DEV,
            kinds.switch(),
            "false",
            "Start a development identity provider beside the server, with the users admin, manager, power, user and "
            "nobody and no passwords. Requires a loopback BODHI_HOST, one worker and BODHI_ENV_TYPE=development.",
        ),
    ]
    dev_port: Annotated[
        int,
        Setting(
            names.BODHI_DEV_PORT,
            kinds.whole_number(0, 65_535),
            "1136",
            "Port of the development identity provider; 0 is any free port.",
        ),
    ]
    auth_url: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_URL,
            address_kinds.http_url(),
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
            address_kinds.http_url(keeps_slash=True),
            Derived("BODHI_AUTH_URL/realms/BODHI_AUTH_REALM when both are set, else none", _issuer),
            "Issuer of the OpenID Connect provider, exactly as in its tokens. Without it, nobody can sign in.",
            mask=mask_http_url,
        ),
    ]
    auth_metadata_url: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_METADATA_URL,
            address_kinds.http_url(keeps_slash=True, takes_query=True),
            Derived("BODHI_AUTH_ISSUER/.well-known/openid-configuration", lambda _: None),
            "URL of the provider's metadata if it differs from the default: an address inside your network, or a "
            "policy of Azure AD B2C. The metadata have to name BODHI_AUTH_ISSUER all the same. If this URL has http, "
            "endpoints that only bodhi calls may have it, too.",
            mask=mask_http_url,
        ),
    ]
    auth_provider_name: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_PROVIDER_NAME,
            kinds.label(64),
            Derived("the host of BODHI_AUTH_ISSUER", lambda _: None),
            "Name of the identity provider on the login page, such as Example Corp.",
        ),
    ]
    auth_client_authentication: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_CLIENT_AUTHENTICATION,
            kinds.choice("auto", "basic", "post", "private_key_jwt"),
            "auto",
            "How bodhi authenticates at the provider, as its client is registered there. basic: client_secret_basic. "
            "post: client_secret_post. private_key_jwt: signed by BODHI_CLIENT_KEY. auto: private_key_jwt if "
            "BODHI_CLIENT_KEY is set; else basic first, or post if the provider announces only that, and the other one "
            "if the first is rejected.",
        ),
    ]
    auth_management: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_MANAGEMENT,
            kinds.switch(),
            Derived("true when BODHI_AUTH_URL is set", lambda values: values["auth_url"] is not None),
            "Whether the provider supports bodhi's management calls (client registration, roles and users). Without "
            "them, bodhi stores the roles that managers give, which come before those in the user's claims; other "
            "routes that need such a call answer 501.",
        ),
    ]
    auth_timeout_seconds: Annotated[
        float,
        Setting(
            names.BODHI_AUTH_TIMEOUT,
            kinds.fine_seconds(0.1, 60),
            "5s",
            "Time limit for each call to the identity provider.",
        ),
    ]
    auth_logout: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_LOGOUT,
            kinds.switch(),
            Derived("true when BODHI_DEV is true, else false", lambda values: values["dev"]),
            "Whether a logout continues to the provider's logout page, if it has one, so that its session ends too. "
            "Otherwise a user who signs in again may not be asked for credentials.",
        ),
    ]
    auth_logged_out_url: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_LOGGED_OUT_URL,
            address_kinds.http_url(keeps_slash=True),
            Derived("the login page", lambda _: None),
            "URL that a logout leads to. With BODHI_AUTH_LOGOUT the provider redirects there, so it has to be "
            "registered as post-logout redirect URI.",
            mask=mask_http_url,
        ),
    ]
    auth_skip_login_page: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_SKIP_LOGIN_PAGE,
            kinds.switch(),
            "false",
            "Whether the login page redirects to the provider at once. It is still shown after a logout, and to users "
            "who are signed in.",
        ),
    ]
    auth_parameters: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_PARAMETERS,
            list_kinds.query_parameters(OWN_PARAMETERS),
            None,
            "Further parameters of every authorization request, such as prompt=consent&access_type=offline. A link to "
            "the login cannot change them.",
        ),
    ]
    auth_link_parameters: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_LINK_PARAMETERS,
            list_kinds.parameter_names((*OWN_PARAMETERS, *OWN_LINK_PARAMETERS)),
            "login_hint,kc_idp_hint,acr_values,prompt",
            "Parameters of the authorization request that a link to the login may set, as in "
            "/ui/login?login_hint=ann@example.org. none: no parameter.",
        ),
    ]
    auth_roles_claim: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_ROLES_CLAIM,
            kinds.pattern(r"[^\s,]{1,255}", _CLAIM),
            "resource_access.<client_id>.roles",
            "Claim that lists a user's roles or groups, where <client_id> stands for this client's id. It may hold a "
            "list of names, a list of objects with a name, an object whose keys are the names, or one text: a name, a "
            "list in JSON, or names between semicolons. Roles may also be between commas, or between spaces if each "
            "of them is known.",
        ),
    ]
    auth_name_claim: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_NAME_CLAIM,
            kinds.pattern(r"[^\s,]{1,255}", _CLAIM),
            Derived("preferred_username, else email, else name", lambda _: None),
            "Claim with the displayed name of a user. Without it in a login: the default, else the user id.",
        ),
    ]
    auth_userinfo: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_USERINFO,
            kinds.choice("auto", "always", "never"),
            "auto",
            "When bodhi calls the provider's userinfo endpoint at logins and refreshes. auto: if the tokens lack the "
            "claim of the roles or a name, as they may after a refresh without an ID token.",
        ),
    ]
    auth_default_role: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_DEFAULT_ROLE,
            kinds.choice(*ROLES),
            None,
            "Role of every user who has no higher one. Not set: users without a role can only request one.",
        ),
    ]
    auth_roles: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            names.BODHI_AUTH_ROLES,
            list_kinds.pairs(ROLES),
            Derived("the names of the four roles themselves", lambda _: ()),
            "Maps the provider's role names to bodhi's, such as staff=resource_user,boss=resource_admin. Case matters.",
        ),
    ]
    auth_groups_claim: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_GROUPS_CLAIM,
            kinds.pattern(r"[^\s,]{1,255}", _CLAIM),
            "groups",
            "Claim that lists a user's groups, in one of the shapes of BODHI_AUTH_ROLES_CLAIM, but a text is not split "
            "at commas and spaces: for BODHI_AUTH_ALLOW, and for gates and headers of applications behind a proxy.",
        ),
    ]
    auth_allow: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_AUTH_ALLOW,
            list_kinds.admissions(),
            Derived("everybody", lambda _: ()),
            "Users who may sign in, of those whom the provider admits: those with one of these e-mail addresses, or in "
            "one of these domains or groups. Checked at each login and refresh, and when the server starts again.",
        ),
    ]
    auth_allow_unverified_email: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_ALLOW_UNVERIFIED_EMAIL,
            kinds.switch(),
            "false",
            "Whether an e-mail address counts without the claim email_verified: for BODHI_AUTH_ALLOW, and for gates "
            "and headers of applications behind a proxy. Only for a provider where users cannot choose their address.",
        ),
    ]
    auth_app_roles: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_APP_ROLES,
            kinds.choice("capped", "provider"),
            "capped",
            "What another application may do for a user. capped: what the provider grants it, but at most the user's "
            "role as last known here; nothing for users who never signed in. provider: what the provider grants it.",
        ),
    ]
    auth_scopes: Annotated[
        str | None,
        Setting(
            names.BODHI_AUTH_SCOPES,
            kinds.pattern(r"openid( [!#-\[\]-~]+)*", "openid and further scopes, separated by spaces"),
            Derived(
                "openid email profile; with roles if BODHI_AUTH_URL is set or the provider announces that scope, "
                "and with offline_access at Auth0, Authentik, better-auth, Dex, Entra ID and Zitadel if announced",
                lambda _: None,
            ),
            "Scopes requested at login. A scope that the provider does not announce causes a warning at startup. "
            "Providers other than those of the default may need offline_access, too, to issue refresh tokens: set it "
            "if the client is registered for it.",
        ),
    ]
    auth_access_tokens: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_ACCESS_TOKENS,
            kinds.choice("jwt", "opaque"),
            "jwt",
            "Form of access tokens. jwt: name and roles are read from the access token, else from the ID token. "
            "opaque: from the ID token only, for providers whose access tokens identify users differently.",
        ),
    ]
    auth_refresh_reuse: Annotated[
        bool,
        Setting(
            names.BODHI_AUTH_REFRESH_REUSE,
            kinds.switch(),
            "false",
            "Whether the provider accepts a refresh token twice, so that a refresh that timed out may be retried.",
        ),
    ]
    auth_without_refresh: Annotated[
        str,
        Setting(
            names.BODHI_AUTH_WITHOUT_REFRESH,
            kinds.choice("end", "keep"),
            "end",
            "What happens to a login without a refresh token. end: the session ends with the access token. keep: it "
            "lives by its own timeouts, and is checked at the userinfo endpoint as long as the access token lives.",
        ),
    ]
    auth_recheck_seconds: Annotated[
        int,
        Setting(
            names.BODHI_AUTH_RECHECK,
            kinds.seconds(0, 2_592_000),
            "1h",
            "How often bodhi asks the provider about a login whose access token lives longer than this: by a refresh, "
            "or at the userinfo endpoint without a refresh token. During an outage the login stays. 0 disables this.",
        ),
    ]
    auth_role_max_age_seconds: Annotated[
        int,
        Setting(
            names.BODHI_AUTH_ROLE_MAX_AGE,
            kinds.seconds(7_200, 315_360_000),
            "30d",
            "How long a role stays valid for API tokens and other applications after the provider last confirmed it, "
            "by a login or a refresh. After that, the user's tokens are refused until the next login.",
        ),
    ]
    auth_recent_seconds: Annotated[
        int,
        Setting(
            names.BODHI_AUTH_RECENT_SECONDS,
            kinds.seconds(0, 2_592_000),
            "15m",
            "How long after signing in users may create API tokens in the browser, and managers and administrators "
            "may make changes. Afterwards they have to sign in again; 0 disables this.",
        ),
    ]
    client_id: Annotated[
        str | None,
        Setting(
            names.BODHI_CLIENT_ID,
            kinds.pattern(r"[!-~]{1,255}", "1 to 255 characters of ASCII without spaces"),
            None,
            "Client id of this server at the provider. Not set: POST /bodhi/v1/setup registers a client.",
        ),
    ]
    client_secret: Annotated[
        str | None,
        Setting(
            names.BODHI_CLIENT_SECRET,
            kinds.pattern(r"[ -~]{1,1024}", "1 to 1024 characters of ASCII"),
            None,
            "Client secret of BODHI_CLIENT_ID.",
            refused_in={Source.COMMAND_LINE: "other users of the machine can read it there"},
            secret=True,
        ),
    ]
    client_key: Annotated[
        str | None,
        Setting(
            names.BODHI_CLIENT_KEY,
            kinds.private_key(),
            None,
            "Private key of BODHI_CLIENT_ID, in place of BODHI_CLIENT_SECRET, for private_key_jwt. The provider needs "
            "the public key; its key id is the kid of the JWK, else the key's thumbprint (RFC 7638).",
            refused_in={Source.COMMAND_LINE: "other users of the machine can read it there"},
            secret=True,
        ),
    ]
    client_status: Annotated[
        str,
        Setting(
            names.BODHI_CLIENT_STATUS,
            kinds.choice("ready", "resource-admin"),
            "ready",
            "Status of a client from BODHI_CLIENT_ID. resource-admin: the first user to sign in becomes administrator.",
        ),
    ]
    setup_secret: Annotated[
        str | None,
        Setting(
            names.BODHI_SETUP_SECRET,
            kinds.pattern(r"[!-~]{16,255}", "16 to 255 characters of ASCII without spaces"),
            None,
            "Secret that POST /bodhi/v1/setup requires in the header X-Setup-Secret.",
            refused_in={Source.COMMAND_LINE: "other users of the machine can read it there"},
            secret=True,
        ),
    ]
    api_token_lifetime_seconds: Annotated[
        int | None,
        Setting(
            names.BODHI_API_TOKEN_LIFETIME,
            kinds.seconds(60, 315_360_000),
            None,
            "Lifetime of an API token created without expires_at; not set: it does not expire.",
        ),
    ]
    token_memory_seconds: Annotated[
        int,
        Setting(
            names.BODHI_TOKEN_MEMORY,
            kinds.seconds(0, 300),
            "10s",
            "How long a process caches that a token is valid; a token revoked on another node is refused after that.",
        ),
    ]
    exchange_memory_seconds: Annotated[
        int,
        Setting(
            names.BODHI_EXCHANGE_MEMORY,
            kinds.seconds(0, 3_600),
            "5m",
            "How long a process caches the exchanged token of another application.",
        ),
    ]
    trusted_proxies: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_TRUSTED_PROXIES,
            address_kinds.networks(),
            Derived("none", lambda _: ()),
            "Proxies whose X-Forwarded-For, -Proto, -Host, -Port, -Method and -Uri headers are trusted.",
        ),
    ]
    rate_limit: Annotated[
        int,
        Setting(
            names.BODHI_RATE_LIMIT,
            kinds.whole_number(0, 1_000_000),
            "60",
            "Rate limit in requests per minute, for each client address, process and kind of request that is expensive "
            "and needs no login: started logins, callbacks, logouts by the provider, unknown bearer tokens, setup. A "
            "burst of twice as many may come at once. Further requests are answered 429; 0 disables the limit. Behind "
            "a proxy it needs BODHI_TRUSTED_PROXIES.",
        ),
    ]
    verify_access_token: Annotated[
        bool,
        Setting(
            names.BODHI_VERIFY_ACCESS_TOKEN,
            kinds.switch(),
            "false",
            "Whether GET /bodhi/v1/auth/verify also returns the user's access token to trusted proxies, for the "
            "application behind them. Requires BODHI_TRUSTED_PROXIES, and a proxy that blocks other clients there.",
        ),
    ]
    verify_claims: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            names.BODHI_VERIFY_CLAIMS,
            list_kinds.header_claims(VERIFY_HEADERS),
            Derived("none", lambda _: ()),
            "Further claims that GET /bodhi/v1/auth/verify returns, each in a header of its own. Write a claim as in "
            "BODHI_AUTH_ROLES_CLAIM; if the tokens lack it, bodhi reads it from userinfo.",
        ),
    ]
    allowed_hosts: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_ALLOWED_HOSTS,
            address_kinds.hosts(),
            Derived("none", lambda _: ()),
            "Accepted Host headers in addition to BODHI_PUBLIC_HOST, BODHI_HOST and loopback names.",
        ),
    ]
    sso_hosts: Annotated[
        tuple[str, ...],
        Setting(
            names.BODHI_SSO_HOSTS,
            address_kinds.hosts(),
            Derived("none", lambda _: ()),
            "Hosts of protected applications that share the login of BODHI_PUBLIC_HOST: subdomains of one site. Their "
            "proxies pass on /ui/sso and /ui/sso/session; bodhi answers nothing else there but GET "
            "/bodhi/v1/auth/verify.",
        ),
    ]
    canonical_redirect: Annotated[
        bool,
        Setting(
            names.BODHI_CANONICAL_REDIRECT,
            kinds.switch(),
            "true",
            "Redirect requests with another scheme, host or port to the public URL, if BODHI_PUBLIC_HOST is set.",
        ),
    ]
