"""Error messages for invalid settings, without secrets."""

import traceback

import pytest
from joserfc.jwk import ECKey

from bodhi.errors import ConfigurationError
from bodhi.settings import BY_NAME, SETTINGS

SECRET = "hunter2-correct-horse"
KEY = SECRET * 2
POSTGRES = "postgres://bodhi@db/bodhi"
PRIVATE_KEY = ECKey.generate_key("P-256").as_pem(private=True).decode()
ISSUER = "https://login.example.org"


def test_all_faults_are_reported_at_once(machine):
    """Nobody has to start the server once per mistake: every source, single values and pairs together."""
    machine.command_line = {"BODHI_PORT": "http", "BODHI_PROT": "1"}
    dotenv = machine.write_dotenv("BODHI_LOG_LEVEL=loud\n'\n")
    yaml = machine.write_yaml("BODHI_WORKERS: 0\nBODHI_HOST: [a]\n")

    faults = machine.faults(BODHI_DEPLOYMENT="cluster", BODHI_SESSION_COOKIE_SAMESITE="None")

    database = f"BODHI_SESSION_DB_URL (default): sqlite:{machine.home}/session.sqlite"
    postgres = "postgres://… or postgresql://…"
    cluster = "BODHI_DEPLOYMENT=cluster (environment)"
    assert set(faults) == {
        "BODHI_PROT (command line): no such setting; did you mean BODHI_PORT?",
        f"{dotenv}, line 2: not NAME=VALUE, or a quote is not closed",
        f"{yaml}, line 2: BODHI_HOST takes one value, not a list or a mapping",
        f'BODHI_WORKERS ({yaml}, line 1): "0" is too small; allowed: a whole number from 1 to 256',
        'BODHI_PORT (command line): "http" is not a whole number in range; allowed: a whole number from 0 to 65535',
        f'BODHI_LOG_LEVEL ({dotenv}, line 1): "loud" is not known; allowed: DEBUG, INFO, WARNING, ERROR or CRITICAL',
        'BODHI_SESSION_COOKIE_SAMESITE (environment): "None" is not known; allowed: Strict or Lax',
        f"{database} is not PostgreSQL, which {cluster} requires; allowed: {postgres}",
        f"BODHI_ENCRYPTION_KEY (default): is not set, but {cluster} requires it, so that all nodes have the same keys",
    }
    assert len(faults) == 9


def test_fault_ends_the_command_with_status_2(machine):
    """The status tells a supervisor that another start will not help."""
    with pytest.raises(ConfigurationError) as caught:
        machine.load(BODHI_PORT="x")

    assert caught.value.exit_status == 2


def test_cluster_starts_with_postgresql_and_a_key(machine):
    """What cluster asks for is enough."""
    settings = machine.load(BODHI_DEPLOYMENT="Cluster", BODHI_SESSION_DB_URL=POSTGRES, BODHI_ENCRYPTION_KEY=KEY)

    assert settings.deployment == "cluster"
    assert settings.database_url == POSTGRES
    assert not machine.home.exists()


def test_sqlite_beside_a_cluster_is_a_warning(machine):
    """Each node would have an application database of its own."""
    resolution = machine.resolve(
        BODHI_DEPLOYMENT="cluster",
        BODHI_SESSION_DB_URL=POSTGRES,
        BODHI_ENCRYPTION_KEY=KEY,
        BODHI_DATABASE_URL="sqlite:/srv/app.sqlite",
    )

    (warning,) = resolution.warnings
    assert warning.startswith("BODHI_DATABASE_URL (environment): sqlite:/srv/app.sqlite is not PostgreSQL")


@pytest.mark.parametrize(
    ("environ", "blamed"),
    [
        ({"BODHI_SESSION_TOUCH_INTERVAL": "1h", "BODHI_SESSION_IDLE_TIMEOUT": "60m"}, "BODHI_SESSION_TOUCH_INTERVAL"),
        ({"BODHI_SESSION_IDLE_TIMEOUT": "15d"}, "BODHI_SESSION_IDLE_TIMEOUT"),
        ({"BODHI_SESSION_DB_URL": "sqlite::memory:", "BODHI_WORKERS": "2"}, "BODHI_SESSION_DB_URL"),
        ({"BODHI_DATABASE_URL": "sqlite:%3Amemory:", "BODHI_WORKERS": "2"}, "BODHI_DATABASE_URL"),
        ({"BODHI_CLIENT_ID": "bodhi", "BODHI_AUTH_ISSUER": ISSUER}, "BODHI_CLIENT_ID"),
        ({"BODHI_CLIENT_ID": "bodhi", "BODHI_CLIENT_SECRET": SECRET}, "BODHI_CLIENT_ID"),
        ({"BODHI_AUTH_CLIENT_AUTHENTICATION": "private_key_jwt"}, "BODHI_AUTH_CLIENT_AUTHENTICATION"),
        ({"BODHI_CLIENT_KEY": PRIVATE_KEY}, "BODHI_CLIENT_KEY"),
        ({"BODHI_AUTH_METADATA_URL": ISSUER}, "BODHI_AUTH_METADATA_URL"),
        ({"BODHI_CLIENT_ID": "bodhi", "BODHI_CLIENT_SECRET": SECRET, "BODHI_AUTH_REALM": "bodhi"}, "BODHI_CLIENT_ID"),
        ({"BODHI_DEV": "true", "BODHI_ENV_TYPE": "production"}, "BODHI_DEV"),
        ({"BODHI_DEV": "true", "BODHI_HOST": "0.0.0.0"}, "BODHI_DEV"),
        ({"BODHI_DEV": "true", "BODHI_HOST": "::"}, "BODHI_DEV"),
        ({"BODHI_DEV": "true", "BODHI_HOST": "localhost.example.org"}, "BODHI_DEV"),
        ({"BODHI_DEV": "true", "BODHI_WORKERS": "2"}, "BODHI_DEV"),
    ],
)
def test_values_that_do_not_go_together_are_a_fault_with_both_sources(machine, environ, blamed):
    """Either of the two may be the one to change."""
    (fault,) = machine.faults(**environ)

    assert fault.startswith(f"{blamed} (environment): ")
    assert fault.endswith((" (environment)", " (default)"))


def test_fault_says_what_is_missing(machine):
    """What was never set has no value to be shown."""
    client = "BODHI_CLIENT_ID (environment): bodhi requires"
    missing = "BODHI_CLIENT_SECRET is not set (default), BODHI_CLIENT_KEY is not set (default)"
    assert machine.faults(BODHI_CLIENT_ID="bodhi") == [
        f"{client} a secret or a key, but {missing}",
        f"{client} an identity provider, but BODHI_AUTH_ISSUER is not set (default)",
    ]


def test_access_token_forwarding_requires_trusted_proxies(machine):
    """Nobody but a trusted proxy is given one."""
    proxies = "BODHI_TRUSTED_PROXIES is not set (default)"
    assert machine.faults(BODHI_VERIFY_ACCESS_TOKEN="true") == [
        f"BODHI_VERIFY_ACCESS_TOKEN (environment): true requires trusted proxies, but {proxies}"
    ]


def test_single_sign_on_needs_a_host_of_its_own(machine):
    """One that browsers reach, and that is none of the others."""
    for public in ("127.0.0.1", "wiki.example.org", None):
        environ = {} if public is None else {"BODHI_PUBLIC_HOST": public}
        (fault,) = machine.faults(BODHI_SSO_HOSTS="wiki.example.org,git.example.org", **environ)
        assert "BODHI_SSO_HOSTS (environment)" in fault
        assert "requires another public host" in fault
        assert "BODHI_PUBLIC_HOST" in fault
    machine.load(BODHI_SSO_HOSTS="wiki.example.org", BODHI_PUBLIC_HOST="example.org")


def test_all_dangers_of_the_development_provider_are_reported(machine):
    """It lets anybody in, so each of them would do."""
    machine.command_line = {"BODHI_DEV": "true"}

    faults = machine.faults(BODHI_ENV_TYPE="production", BODHI_HOST="0.0.0.0", BODHI_WORKERS="2")

    assert all(fault.startswith("BODHI_DEV (command line): true ") for fault in faults)
    assert [fault.rpartition(", but ")[2] for fault in faults] == [
        "BODHI_ENV_TYPE=production (environment)",
        "BODHI_HOST=0.0.0.0 (environment)",
        "BODHI_WORKERS=2 (environment)",
    ]


@pytest.mark.parametrize(
    "environ",
    [
        {"BODHI_SESSION_TOUCH_INTERVAL": "59", "BODHI_SESSION_IDLE_TIMEOUT": "1m"},
        {"BODHI_SESSION_IDLE_TIMEOUT": "14d"},
        {"BODHI_SESSION_DB_URL": "sqlite::memory:", "BODHI_WORKERS": "1"},
        {"BODHI_WORKERS": "2"},
        {"BODHI_CLIENT_ID": "bodhi", "BODHI_CLIENT_SECRET": SECRET, "BODHI_AUTH_ISSUER": ISSUER},
        {
            "BODHI_CLIENT_ID": "bodhi",
            "BODHI_CLIENT_SECRET": SECRET,
            "BODHI_AUTH_URL": ISSUER,
            "BODHI_AUTH_REALM": "bodhi",
        },
        {"BODHI_CLIENT_SECRET": SECRET},
        {"BODHI_DEV": "true"},
        {"BODHI_DEV": "true", "BODHI_ENV_TYPE": "development", "BODHI_HOST": "[::1]", "BODHI_WORKERS": "1"},
        {"BODHI_DEV": "true", "BODHI_HOST": "127.0.0.2"},
        {"BODHI_DEV": "false", "BODHI_ENV_TYPE": "production", "BODHI_HOST": "0.0.0.0", "BODHI_WORKERS": "2"},
        {"BODHI_ENV_TYPE": "development", "BODHI_HOST": "0.0.0.0"},
    ],
)
def test_values_at_their_limits_are_compatible(machine, environ):
    """The limits themselves are allowed."""
    machine.load(**environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"BODHI_ENCRYPTION_KEY": SECRET},
        {"BODHI_ENCRYPTION_KEY": f"{KEY},{SECRET}"},
        {"BODHI_ENCRYPTION_KEY": f"{KEY},{KEY}"},
        {"BODHI_ENCRYPTION_KEY": f"{KEY}\x07"},
        {"BODHI_SESSION_DB_URL": f"mysql://bodhi:{SECRET}@db/bodhi"},
        {"BODHI_SESSION_DB_URL": f"postgres://bodhi:x/{SECRET}@db/bodhi"},
        {"BODHI_SESSION_DB_URL": f"postgres://bodhi:{SECRET}\x07@db/bodhi"},
        {"BODHI_DATABASE_URL": f"sqlite:/data.sqlite?key={SECRET}"},
        {"BODHI_DATABASE_URL": SECRET},
        {"BODHI_PORT": "x", "BODHI_DATABASE_URL": f"postgres://bodhi:{SECRET}@db/bodhi"},
        {"BODHI_CLIENT_SECRET": f"{SECRET}\x07"},
        {"BODHI_CLIENT_SECRET": f"{SECRET}ü"},
        {"BODHI_CLIENT_SECRET": SECRET, "BODHI_CLIENT_ID": "bodhi"},
        {"BODHI_SETUP_SECRET": f"{SECRET} {SECRET}"},
        {"BODHI_AUTH_ISSUER": f"https://bodhi:{SECRET}@login.example.org"},
        {"BODHI_AUTH_URL": f"https://login.example.org?key={SECRET}"},
    ],
)
def test_fault_shows_no_secret(machine, environ):
    """Neither in the message nor in the traceback, which holds the errors before it."""
    with pytest.raises(ConfigurationError) as caught:
        machine.load(**environ)

    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "text",
    [f"BODHI_ENCRYPTION_KEY: *{SECRET}\n", f"BODHI_ENCRYPTION_KEY: '{SECRET}\n", f'"\\q{SECRET}": a\n', f"{SECRET}\n"],
)
def test_broken_file_shows_no_secret(machine, text):
    """A parser's own words would repeat what it stumbled over."""
    machine.write_yaml(text)
    with pytest.raises(ConfigurationError) as caught_yaml:
        machine.load()
    machine.write_yaml("")
    machine.write_dotenv(f"BODHI_ENCRYPTION_KEY='{SECRET}\n")
    with pytest.raises(ConfigurationError) as caught_dotenv:
        machine.load()

    for caught in (caught_yaml, caught_dotenv):
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_settings_can_be_shown(machine):
    """In a log or a debugger there is no key and no password."""
    settings = machine.load(
        BODHI_ENCRYPTION_KEY=KEY,
        BODHI_SESSION_DB_URL=f"postgres://bodhi:{SECRET}@db/bodhi",
        BODHI_DATABASE_URL=f"postgres://db/app?user=bodhi&password={SECRET}",
        BODHI_CLIENT_SECRET=SECRET,
        BODHI_SETUP_SECRET=SECRET,
    )

    assert SECRET not in repr(settings)
    assert "session_db_url='postgres://bodhi:***@db/bodhi'" in repr(settings)
    assert "database_url='postgres://db/app?user=bodhi&password=***'" in repr(settings)
    assert "client_secret='***'" in repr(settings)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("BODHI_TRUSTED_PROXIES", "10.0.0.1, fd00::/8", "10.0.0.1/32,fd00::/8"),
        ("BODHI_ALLOWED_HOSTS", "A.example.org , [::1]", "a.example.org,::1"),
        ("BODHI_AUTH_ROLES", "staff=resource_user, ou=it = resource_admin", "staff=resource_user,ou=it=resource_admin"),
        ("BODHI_TRUSTED_PROXIES", None, None),
        ("BODHI_AUTH_ROLES", None, None),
        ("BODHI_ENCRYPTION_KEY", f"{KEY},{SECRET}{SECRET}{SECRET}", "***"),
        ("BODHI_ENCRYPTION_KEY", None, None),
        ("BODHI_CLIENT_SECRET", SECRET, "***"),
    ],
)
def test_lists_are_shown_in_environment_syntax(machine, name, text, expected):
    """Written down like this they would say the same; nothing stands for an empty one."""
    setting = BY_NAME[name]
    attribute = next(attribute for attribute, it in SETTINGS.items() if it is setting)

    value = getattr(machine.resolve(**({name: text} if text else {})).settings, attribute)

    assert setting.format(value) == expected
    assert setting.secret or expected is None or setting.kind.parse(expected) == value


def test_long_value_is_cut_in_the_fault(machine):
    """One line stays one line that can be read."""
    (fault,) = machine.faults(BODHI_HOST="a" * 5_000)

    assert len(fault) < 400
