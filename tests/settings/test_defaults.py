"""Default values, and parsing of values."""

import json
import pickle
import types
import typing

import pytest
from joserfc.jwk import ECKey

import bodhi.settings
from bodhi.database import dialect_of, sqlite_path
from bodhi.settings import BY_NAME, SETTINGS, Settings, names


def test_every_name_is_importable_and_described():
    """The constants and the description cannot drift apart."""
    constants = {name: value for name, value in vars(names).items() if name.startswith("BODHI_")}

    assert constants == {name: name for name in BY_NAME}
    assert all(getattr(bodhi.settings, name) == name for name in constants)


def test_every_attribute_has_its_declared_type(machine):
    """A kind that reads another type than its attribute's is caught here, as no type checker can."""
    settings = machine.resolve(
        BODHI_SESSION_DB_SCHEMA="bodhi",
        BODHI_ENCRYPTION_KEY="k" * 32,
        BODHI_AUTH_URL="https://login.example.org",
        BODHI_AUTH_REALM="bodhi",
        BODHI_AUTH_ROLES="staff=resource_user",
        BODHI_CLIENT_ID="bodhi",
        BODHI_CLIENT_SECRET="secret",
        BODHI_SETUP_SECRET="the-secret-of-setup",
        BODHI_API_TOKEN_LIFETIME="90d",
        BODHI_TRUSTED_PROXIES="10.0.0.0/8",
        BODHI_ALLOWED_HOSTS="internal.example.org",
    ).settings

    for attribute, hint in typing.get_type_hints(Settings).items():
        origin = typing.get_origin(hint)
        assert isinstance(getattr(settings, attribute), hint if origin in {None, types.UnionType} else origin), (
            attribute
        )


def test_settings_have_their_documented_defaults(machine):
    """What a server runs with when nothing is set."""
    settings = machine.load()

    assert settings.deployment == "standalone"
    assert settings.env_type == "production"
    assert settings.commit_sha == "unknown"
    assert (settings.host, settings.port) == ("localhost", 1135)
    assert settings.public_url == "http://localhost:1135"
    assert (settings.log_level, settings.log_format) == ("INFO", "text")
    assert settings.home == machine.home
    assert settings.session_db_url == f"sqlite:{machine.home}/session.sqlite"
    assert settings.database_url == f"sqlite:{machine.home}/bodhi.sqlite"
    assert settings.session_db_schema is None
    assert (settings.cookie_name, settings.cookie_samesite) == ("bodhiapp_session_id", "Strict")
    assert settings.cookie_host_prefix is True
    assert (settings.idle_seconds, settings.lifetime_seconds) == (86_400, 1_209_600)
    assert (settings.touch_seconds, settings.sweep_seconds) == (60, 300)
    assert (settings.db_pool_size, settings.db_timeout_seconds, settings.db_auto_migrate) == (10, 5.0, True)
    assert settings.pg_statement_cache_size == 100
    assert (settings.sqlite_readers, settings.sqlite_synchronous) == (2, "full")
    assert (settings.workers, settings.shutdown_timeout_seconds) == (1, 10.0)
    assert settings.max_connections == 8_192
    assert (settings.request_head_timeout_seconds, settings.request_body_timeout_seconds) == (20.0, 60.0)


def test_login_settings_have_their_documented_defaults(machine):
    """Nobody can log in, nobody's headers are believed, and no provider is started."""
    settings = machine.load()

    assert (settings.dev, settings.dev_port) == (False, 1136)
    assert (settings.auth_url, settings.auth_realm, settings.auth_issuer) == (None, None, None)
    assert (settings.auth_management, settings.auth_logout, settings.auth_refresh_reuse) == (False, False, False)
    assert settings.auth_timeout_seconds == 5.0
    assert (settings.auth_roles_claim, settings.auth_roles) == ("resource_access.<client_id>.roles", ())
    assert (settings.auth_scopes, settings.auth_access_tokens) == (None, "jwt")
    assert (settings.auth_metadata_url, settings.auth_client_authentication, settings.client_key) == (
        None,
        "auto",
        None,
    )
    assert (settings.client_id, settings.client_secret, settings.client_status) == (None, None, "ready")
    assert settings.setup_secret is None
    assert settings.api_token_lifetime_seconds is None
    assert (settings.token_memory_seconds, settings.exchange_memory_seconds) == (10, 300)
    assert (settings.trusted_proxies, settings.allowed_hosts, settings.canonical_redirect) == ((), (), True)


def test_dev_mode_changes_related_defaults(machine):
    """Where nothing else is said: the server is for development, and a logout leaves the provider too."""
    settings = machine.load(BODHI_DEV="true")

    assert (settings.env_type, settings.auth_logout) == ("development", True)
    assert machine.load(BODHI_DEV="true", BODHI_AUTH_LOGOUT="false").auth_logout is False


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"BODHI_AUTH_URL": "https://kc.example.org", "BODHI_AUTH_REALM": "bodhi"},
            "https://kc.example.org/realms/bodhi",
        ),
        (
            {"BODHI_AUTH_URL": "https://kc.example.org/auth/", "BODHI_AUTH_REALM": "a.b"},
            "https://kc.example.org/auth/realms/a.b",
        ),
        ({"BODHI_AUTH_URL": "https://kc.example.org"}, None),
        ({"BODHI_AUTH_REALM": "bodhi"}, None),
        (
            {
                "BODHI_AUTH_URL": "https://kc.example.org",
                "BODHI_AUTH_REALM": "bodhi",
                "BODHI_AUTH_ISSUER": "https://public.example.org/realms/bodhi",
            },
            "https://public.example.org/realms/bodhi",
        ),
        ({"BODHI_AUTH_ISSUER": "https://tenant.auth0.example/"}, "https://tenant.auth0.example/"),
        (
            {"BODHI_AUTH_ISSUER": "https://id.example.org/application/o/bodhi/"},
            "https://id.example.org/application/o/bodhi/",
        ),
        ({"BODHI_AUTH_ISSUER": "http://[::1]:8080/realms/bodhi"}, "http://[::1]:8080/realms/bodhi"),
    ],
)
def test_issuer_is_validated(machine, environ, expected):
    """It follows from a Keycloak server and its realm; one that is given is kept to its last slash, as in tokens."""
    assert machine.load(**environ).auth_issuer == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"BODHI_AUTH_ISSUER": "https://login.example.org"}, False),
        ({"BODHI_AUTH_URL": "https://kc.example.org", "BODHI_AUTH_REALM": "bodhi"}, True),
        ({"BODHI_AUTH_URL": "https://kc.example.org", "BODHI_AUTH_MANAGEMENT": "false"}, False),
        ({"BODHI_AUTH_ISSUER": "https://login.example.org", "BODHI_AUTH_MANAGEMENT": "true"}, True),
    ],
)
def test_management_calls_are_expected_of_keycloak(machine, environ, expected):
    """Unless somebody knows better."""
    assert machine.load(**environ).auth_management is expected


def test_explicit_public_host_is_recognized(machine):
    """By any source, also when it says what would be so anyway; what was derived from other settings does not count."""
    assert not machine.load().has_explicit_host
    assert not machine.load(BODHI_HOST="example.org", BODHI_PUBLIC_PORT="80").has_explicit_host
    assert machine.load(BODHI_PUBLIC_HOST="localhost").has_explicit_host
    machine.write_yaml("BODHI_PUBLIC_HOST: example.org\n")
    assert machine.load().has_explicit_host


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"BODHI_PORT": "8080"}, "http://localhost:8080"),
        ({"BODHI_PORT": "80"}, "http://localhost"),
        ({"BODHI_HOST": "0.0.0.0"}, "http://localhost:1135"),
        ({"BODHI_HOST": "::"}, "http://localhost:1135"),
        ({"BODHI_HOST": "[::1]"}, "http://[::1]:1135"),
        ({"BODHI_HOST": "0.0.0.0", "BODHI_PUBLIC_HOST": "example.org"}, "http://example.org:1135"),
        ({"BODHI_PUBLIC_SCHEME": "HTTPS", "BODHI_PUBLIC_HOST": "example.org"}, "https://example.org"),
        ({"BODHI_PUBLIC_SCHEME": "https", "BODHI_PUBLIC_PORT": "80"}, "https://localhost:80"),
    ],
)
def test_public_url_is_composed_from_its_parts(machine, environ, expected):
    """What is not said of the public URL follows from where the server listens, or from the proxy's scheme."""
    assert machine.resolve(**environ).settings.public_url == expected


@pytest.mark.parametrize(
    ("name", "text", "attribute", "expected"),
    [
        ("BODHI_SESSION_IDLE_TIMEOUT", "90", "idle_seconds", 90),
        ("BODHI_SESSION_IDLE_TIMEOUT", "90s", "idle_seconds", 90),
        ("BODHI_SESSION_IDLE_TIMEOUT", "15m", "idle_seconds", 900),
        ("BODHI_SESSION_IDLE_TIMEOUT", "24h", "idle_seconds", 86_400),
        ("BODHI_SESSION_IDLE_TIMEOUT", "1.5h", "idle_seconds", 5_400),
        ("BODHI_SESSION_ABSOLUTE_TIMEOUT", "14d", "lifetime_seconds", 1_209_600),
        ("BODHI_DB_TIMEOUT", "0.5", "db_timeout_seconds", 0.5),
        ("BODHI_DB_TIMEOUT", "0.25s", "db_timeout_seconds", 0.25),
        ("BODHI_DB_AUTO_MIGRATE", "No", "db_auto_migrate", False),
        ("BODHI_DB_AUTO_MIGRATE", "1", "db_auto_migrate", True),
        ("BODHI_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("BODHI_SESSION_COOKIE_SAMESITE", "lax", "cookie_samesite", "Lax"),
        ("BODHI_HOST", "my_service-1.internal", "host", "my_service-1.internal"),
        ("BODHI_HOST", "fe80::1", "host", "fe80::1"),
        ("BODHI_PORT", " 0 ", "port", 0),
        ("BODHI_ENCRYPTION_KEY", f"{'a' * 32} , {'b' * 32}\n", "encryption_keys", ("a" * 32, "b" * 32)),
        ("BODHI_AUTH_URL", "https://login.example.org/", "auth_url", "https://login.example.org"),
        ("BODHI_AUTH_URL", "http://[::1]:8080/auth//", "auth_url", "http://[::1]:8080/auth"),
        ("BODHI_AUTH_TIMEOUT", "0.5", "auth_timeout_seconds", 0.5),
        (
            "BODHI_AUTH_ROLES_CLAIM",
            "/https:~1~1example.org~1roles",
            "auth_roles_claim",
            "/https:~1~1example.org~1roles",
        ),
        ("BODHI_AUTH_ROLES", "staff=resource_user", "auth_roles", (("staff", "resource_user"),)),
        (
            "BODHI_AUTH_ROLES",
            " Domain Users = resource_user , ou=it=resource_admin,/ops=resource_admin",
            "auth_roles",
            (("Domain Users", "resource_user"), ("ou=it", "resource_admin"), ("/ops", "resource_admin")),
        ),
        ("BODHI_AUTH_CLIENT_AUTHENTICATION", "Basic", "auth_client_authentication", "basic"),
        ("BODHI_AUTH_SCOPES", "openid", "auth_scopes", "openid"),
        (
            "BODHI_AUTH_SCOPES",
            "openid urn:zitadel:roles https://x/y",
            "auth_scopes",
            "openid urn:zitadel:roles https://x/y",
        ),
        ("BODHI_AUTH_APP_ROLES", "Provider", "auth_app_roles", "provider"),
        ("BODHI_AUTH_ACCESS_TOKENS", "Opaque", "auth_access_tokens", "opaque"),
        ("BODHI_CLIENT_STATUS", "Resource-Admin", "client_status", "resource-admin"),
        ("BODHI_API_TOKEN_LIFETIME", "90d", "api_token_lifetime_seconds", 7_776_000),
        ("BODHI_TOKEN_MEMORY", "0", "token_memory_seconds", 0),
        ("BODHI_TRUSTED_PROXIES", "10.1.2.3", "trusted_proxies", ("10.1.2.3/32",)),
        (
            "BODHI_TRUSTED_PROXIES",
            "10.0.0.0/8 , fd00::/8,::1",
            "trusted_proxies",
            ("10.0.0.0/8", "fd00::/8", "::1/128"),
        ),
        ("BODHI_ALLOWED_HOSTS", "Internal.Example.org", "allowed_hosts", ("internal.example.org",)),
        (
            "BODHI_ALLOWED_HOSTS",
            "a.example.org , [FD00::1],10.0.0.1",
            "allowed_hosts",
            ("a.example.org", "fd00::1", "10.0.0.1"),
        ),
    ],
)
def test_setting_values_are_parsed(machine, name, text, attribute, expected):
    """Units, words in any case, spaces around values."""
    assert getattr(machine.load(**{name: text}), attribute) == expected


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:relative.db",
        "sqlite:folder/relative.db",
        "sqlite:/srv/bodhi/session.sqlite",
        "sqlite:///srv/bodhi/session.sqlite",
        "sqlite::memory:",
        "postgres://db/bodhi",
        "postgresql://bodhi:s%40crt@db:5432/bodhi?sslmode=require",
        "postgresql://one:5432,two:5433,[::1]:5434/bodhi?target_session_attrs=read-write",
        "postgresql:///bodhi?host=/var/run/postgresql",
        "POSTGRES://db/bodhi",
    ],
)
def test_database_url_is_kept_as_it_was_written(machine, url):
    """Settings only check it; what they let through, the database layer can read."""
    assert machine.load(BODHI_SESSION_DB_URL=url).session_db_url == url
    assert dialect_of(url) == "postgres" or sqlite_path(url)


def test_home_may_have_any_characters(machine, tmp_path):
    """In the URLs made from it they are escaped where they mean something else."""
    home = tmp_path / "50% of #1? ü"

    settings = machine.load(BODHI_HOME=str(home))

    assert sqlite_path(settings.session_db_url) == str(home / "session.sqlite")
    assert machine.load(BODHI_SESSION_DB_URL=settings.session_db_url).session_db_url == settings.session_db_url


def test_settings_can_be_sent_to_another_process(machine):
    """Worker processes get the settings that the first process has checked."""
    settings = machine.load()

    assert pickle.loads(pickle.dumps(settings)) == settings


def test_settings_cannot_be_changed(machine):
    """They are read once."""
    with pytest.raises(AttributeError):
        machine.load().port = 1


def test_every_setting_is_an_attribute_of_its_own():
    """No two settings share a name."""
    assert len(BY_NAME) == len(SETTINGS)


def test_metadata_url_may_have_a_query(machine):
    """Azure AD B2C names its policy there; the slash at the end stays."""
    for url in ("https://x.example/v2.0/.well-known/openid-configuration?p=B2C_1_signin", "http://keycloak:8080/a/"):
        settings = machine.load(BODHI_AUTH_ISSUER="https://x.example/v2.0/", BODHI_AUTH_METADATA_URL=url)

        assert url == settings.auth_metadata_url


@pytest.mark.parametrize("is_jwk", [False, True])
def test_client_key_takes_the_place_of_the_secret(machine, is_jwk):
    """As PEM, which has several lines, or as JWK."""
    key = ECKey.generate_key("P-256")
    text = json.dumps(key.as_dict(private=True)) if is_jwk else key.as_pem(private=True).decode()

    settings = machine.load(BODHI_AUTH_ISSUER="https://x.example", BODHI_CLIENT_ID="bodhi", BODHI_CLIENT_KEY=text)

    assert (None, text.strip()) == (settings.client_secret, settings.client_key)
    assert "client_key='***'" in repr(settings)
