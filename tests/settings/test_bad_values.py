"""Invalid values of each setting."""

import pytest

from bodhi.settings import BY_NAME
from bodhi.settings.setting import Source

PUBLIC_KEY = (
    "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----"
)
LONG_KEY = "k" * 32
BAD_NUMBERS = ["many", "-1", "1.5", "1_0", "0x10", "٣", "9" * 5_000]
BAD_SWITCHES = ["perhaps", "2", "tru"]
BAD_DURATIONS = [
    *(
        "soon",
        "3 weeks",
        "-1",
        "-1h",
        "+1h",
        "0",
        "1w",
        "1H",
        "1 h",
        "1e3",
        "s",
        ".5s",
        "1.h",
        "9" * 5_000,
        "9" * 12 + "d",
    ),
    *("1d 2x", "1d2x", "1h 30m", "1h30", "30m1h", "1h1h", "1.5h30m", "1h-30m", "٣h", "1\uff48", "1:30", "P1D", "PT1H"),
]
BAD_HOSTS = [
    "http://localhost",
    "localhost:1135",
    "a b",
    "-a",
    "a..b",
    "256.1.1.1",
    "1.2.3",
    "[::1",
    "[localhost]",
    "::g",
]
BAD_URLS = [
    "session.sqlite",
    "mysql://localhost/bodhi",
    "postgresql+asyncpg://localhost/bodhi",
    "postgres:bodhi",
    "postgres://user:pass/word@host/bodhi",
    "postgres://user:pass#word@host/bodhi",
    "postgres://host:0/bodhi",
    "postgres://one:5432,two:x/bodhi",
    "sqlite:",
    "sqlite:///",
    "sqlite:folder/",
    "sqlite://host/session.sqlite",
    "sqlite://session.sqlite",
    "sqlite:///:memory:",
    "sqlite:session.sqlite?mode=rwc",
    "sqlite:$HOME/session.sqlite",
    "sqlite:~somebody/session.sqlite",
]
BAD_HTTP_URLS = [
    "login.example.org",
    "ftp://login.example.org",
    "https:/login.example.org",
    "https://",
    "https://user:password@login.example.org",
    "https://login.example.org?realm=bodhi",
    "https://login.example.org/#realm",
    "https://login.example.org:0",
    "https://login.example.org:65536",
    "https://login.example.org:https",
    "https://login.example.org/a b",
    "https://login.example.org\\@example.com",
    "https://256.1.1.1",
    "https://[::g]",
    "https://a..b",
]

BAD_VALUES = {
    "BODHI_HOME": ["/dev/null", "~somebody/bodhi", "/" + "x" * 300],
    "BODHI_DEPLOYMENT": ["clusters", "standalone,cluster", "0"],
    "BODHI_ENV_TYPE": ["staging"],
    "BODHI_COMMIT_SHA": ["two words", "-", "a" * 65, "<script>"],
    "BODHI_HOST": BAD_HOSTS,
    "BODHI_PORT": [*BAD_NUMBERS, "65536"],
    "BODHI_PUBLIC_SCHEME": ["ftp", "https://"],
    "BODHI_PUBLIC_HOST": BAD_HOSTS,
    "BODHI_PUBLIC_PORT": [*BAD_NUMBERS, "0", "65536"],
    "BODHI_WORKERS": [*BAD_NUMBERS, "0", "257"],
    "BODHI_MAX_CONNECTIONS": [*BAD_NUMBERS, "15", "1000001"],
    "BODHI_REQUEST_HEAD_TIMEOUT": [*BAD_DURATIONS, "0.01", "2h"],
    "BODHI_REQUEST_BODY_TIMEOUT": [*BAD_DURATIONS, "0.01", "2h"],
    "BODHI_SHUTDOWN_DELAY": [*(bad for bad in BAD_DURATIONS if bad != "0"), "2h"],
    "BODHI_SHUTDOWN_TIMEOUT": [*BAD_DURATIONS, "0.01", "2h"],
    "BODHI_LOG_LEVEL": ["verbose", "10"],
    "BODHI_LOG_FORMAT": ["xml"],
    "BODHI_METRICS_HOST": BAD_HOSTS,
    "BODHI_METRICS_PORT": [*BAD_NUMBERS, "65536"],
    "BODHI_SESSION_DB_URL": BAD_URLS,
    "BODHI_SESSION_DB_SCHEMA": ["Bodhi", "pg_bodhi", "1st", "a-b", 'a"b', "a" * 64],
    "BODHI_DATABASE_URL": BAD_URLS,
    "BODHI_ENCRYPTION_KEY": [
        *("short", f"{LONG_KEY},", f",{LONG_KEY}", f"{LONG_KEY},short", f"{LONG_KEY},{LONG_KEY}"),
        *(f"{LONG_KEY}{space}{LONG_KEY}" for space in (" ", "\n", "\t", "\u2028")),
    ],
    "BODHI_DB_AUTO_MIGRATE": BAD_SWITCHES,
    "BODHI_DB_POOL_SIZE": [*BAD_NUMBERS, "0", "1001"],
    "BODHI_DB_TIMEOUT": [*BAD_DURATIONS, "0.01", "6m"],
    "BODHI_PG_STATEMENT_CACHE_SIZE": [*BAD_NUMBERS, "10001"],
    "BODHI_SQLITE_READERS": [*BAD_NUMBERS, "0", "65"],
    "BODHI_SQLITE_SYNCHRONOUS": ["off", "extra"],
    "BODHI_SESSION_COOKIE_NAME": ["a b", "a=b", "a;b", "$Version", "__Host-id", "__SECURE-id", "Path", "ü", "a" * 65],
    "BODHI_SESSION_COOKIE_SAMESITE": ["None", "none", "StrictLax"],
    "BODHI_SESSION_COOKIE_HOST_PREFIX": BAD_SWITCHES,
    "BODHI_SESSION_IDLE_TIMEOUT": [*BAD_DURATIONS, "0.5", "4000d"],
    "BODHI_SESSION_ABSOLUTE_TIMEOUT": [*BAD_DURATIONS, "0.5", "4000d"],
    "BODHI_SESSION_MAX_PER_USER": ["0", "-1", "1.5", "many", "1000001"],
    "BODHI_SESSION_TOUCH_INTERVAL": [*BAD_DURATIONS, "0.5", "25h"],
    "BODHI_SESSION_SWEEP_INTERVAL": [*BAD_DURATIONS, "0.5", "25h"],
    "BODHI_DEV": BAD_SWITCHES,
    "BODHI_DEV_PORT": [*BAD_NUMBERS, "65536"],
    "BODHI_AUTH_URL": BAD_HTTP_URLS,
    "BODHI_AUTH_REALM": ["two words", "a/b", "../master", ".hidden", "ü", "a" * 129],
    "BODHI_AUTH_ISSUER": BAD_HTTP_URLS,
    "BODHI_AUTH_METADATA_URL": [bad for bad in BAD_HTTP_URLS if "?" not in bad],
    "BODHI_AUTH_PROVIDER_NAME": ["a" * 65, "two\nlines", "bell\a", "\u202eright to left"],
    "BODHI_AUTH_CLIENT_AUTHENTICATION": ["client_secret_basic", "none", "basic,post"],
    "BODHI_AUTH_MANAGEMENT": BAD_SWITCHES,
    "BODHI_AUTH_TIMEOUT": [*BAD_DURATIONS, "0.01", "61"],
    "BODHI_AUTH_LOGOUT": BAD_SWITCHES,
    "BODHI_AUTH_LOGGED_OUT_URL": ["/goodbye", "www.example.org", "ftp://a", "https://u:p@a/", "https://a/#b", "//a"],
    "BODHI_AUTH_SKIP_LOGIN_PAGE": BAD_SWITCHES,
    "BODHI_AUTH_PARAMETERS": [
        "prompt",
        "prompt=consent&",
        "=x",
        "a b=c",
        "a=%ff",
        "a=%00",
        "client_id=x",
        "a=b&redirect_uri=https://evil.example",
        "state=s",
        "response_mode=form_post",
        "scope=openid",
    ],
    "BODHI_AUTH_LINK_PARAMETERS": [
        ",",
        "login_hint,",
        "a b",
        "login_hint prompt",
        "redirect_uri",
        "return_to",
        "prompt,recent",
        "arrived",
        "prompt,scope",
        "\u00e9",
    ],
    "BODHI_AUTH_ROLES_CLAIM": ["two words", "roles,groups", "a" * 256],
    "BODHI_AUTH_ROLES": [
        "staff",
        "resource_user",
        "staff=",
        "=resource_user",
        "staff=user",
        "staff=Resource_User",
        "staff=resource_user,",
        "staff=resource_user,staff=resource_admin",
        '{"staff": "resource_user", "staff": "resource_admin"}',
        '{"staff": "user"}',
        '{"staff": ["resource_user"]}',
        '{"": "resource_user"}',
        '{"staff": "resource_user"',
        "{}",
        '["staff"]',
    ],
    "BODHI_AUTH_GROUPS_CLAIM": ["two words", "roles,groups", "a" * 256],
    "BODHI_AUTH_ALLOW": [
        "ann",
        "example.org",
        "ann@",
        "ann@b@example.org",
        "ann @example.org",
        "group:",
        "group: ",
        "groups:staff",
        "ann@example.org,",
        "@example.org ben@example.org",
        "@example.",
        '["ann"]',
        '["@example.org"',
        "[]",
        "[5]",
        "*",
    ],
    "BODHI_AUTH_ALLOW_UNVERIFIED_EMAIL": BAD_SWITCHES,
    "BODHI_AUTH_NAME_CLAIM": ["two words", "name,email", "a" * 256],
    "BODHI_AUTH_USERINFO": ["sometimes", "auto,always", "true"],
    "BODHI_AUTH_DEFAULT_ROLE": ["user", "resource_owner", "resource_user,resource_admin"],
    "BODHI_AUTH_SCOPES": [
        "email profile",
        "profile openid",
        "openid,email",
        "openid  email",
        'openid "email"',
        "OpenID",
    ],
    "BODHI_EVENT_LOOP": ["uvloop,asyncio", "trio"],
    "BODHI_AUTH_APP_ROLES": ["uncapped", "capped,provider"],
    "BODHI_AUTH_ACCESS_TOKENS": ["jws", "jwt,opaque"],
    "BODHI_AUTH_REFRESH_REUSE": BAD_SWITCHES,
    "BODHI_AUTH_WITHOUT_REFRESH": ["continue", "end,keep", "true"],
    "BODHI_AUTH_RECHECK": [*(bad for bad in BAD_DURATIONS if bad != "0"), "0.5", "31d"],
    "BODHI_AUTH_ROLE_MAX_AGE": [*BAD_DURATIONS, "119m", "4000d"],
    "BODHI_AUTH_RECENT_SECONDS": [*(bad for bad in BAD_DURATIONS if bad != "0"), "0.5", "31d"],
    "BODHI_CLIENT_ID": ["two words", "ü", "a" * 256],
    "BODHI_CLIENT_SECRET": ["ü", "a" * 1_025],
    "BODHI_CLIENT_KEY": [
        *("secret", "{", "{}", '{"kty": "oct", "k": "c2VjcmV0"}', '{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}'),
        PUBLIC_KEY,
    ],
    "BODHI_CLIENT_STATUS": ["setup", "admin", "resource_admin"],
    "BODHI_SETUP_SECRET": ["fifteen-letters", "seventeen letters", "sixteen-lettersü", "a" * 256],
    "BODHI_API_TOKEN_LIFETIME": [*BAD_DURATIONS, "59", "60.5", "4000d"],
    "BODHI_TOKEN_MEMORY": [*(bad for bad in BAD_DURATIONS if bad != "0"), "0.5", "6m"],
    "BODHI_EXCHANGE_MEMORY": [*(bad for bad in BAD_DURATIONS if bad != "0"), "0.5", "2h"],
    "BODHI_TRUSTED_PROXIES": [
        "proxy.example.org",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0",
        "10.0.0.1:80",
        "10.0.0.1,",
        "*",
    ],
    "BODHI_RATE_LIMIT": [*BAD_NUMBERS, "1000001"],
    "BODHI_VERIFY_ACCESS_TOKEN": BAD_SWITCHES,
    "BODHI_VERIFY_CLAIMS": [
        "department",
        "X-BodhiApp-Department",
        "X-BodhiApp-Department=",
        "X-BodhiApp-Department=two words",
        "X-BodhiApp-=department",
        "X-BodhiApp_Department=department",
        "X-BodhiApp-a--b=department",
        "Remote-User=name",
        "X-BodhiApp-Role=role",
        "X-BodhiApp-Access-Token=token",
        "x-bodhiapp-user-id=sub",
        "X-BodhiApp-A=a,x-bodhiapp-a=b",
        "X-BodhiApp-A=a,",
        '{"X-BodhiApp-A": 5}',
        "{}",
    ],
    "BODHI_SSO_HOSTS": [*BAD_HOSTS, "a.example.org,", "*.example.org"],
    "BODHI_ALLOWED_HOSTS": [*BAD_HOSTS, "a.example.org,", "a.example.org,b c", "*.example.org", "*"],
    "BODHI_CANONICAL_REDIRECT": BAD_SWITCHES,
}
EVERYWHERE = ["", "  ", "a\nb", "a\x00b", "\udcff"]


def test_every_setting_is_tried_with_a_bad_value():
    """A new setting comes with values that it refuses."""
    assert set(BAD_VALUES) == set(BY_NAME)
    assert all(BAD_VALUES.values())


@pytest.mark.parametrize("name", BY_NAME)
def test_bad_value_is_one_fault_that_names_the_setting_its_source_and_what_is_allowed(machine, name):
    """Whoever reads the line knows what to change, where, and to what."""
    for value in [*BAD_VALUES[name], *EVERYWHERE]:
        (fault,) = [line for line in machine.faults(**{name: value}) if line.startswith(f"{name} ")]

        assert fault.startswith(f"{name} (environment): ")
        assert fault.endswith(f"; allowed: {BY_NAME[name].kind.allowed}")
        assert fault.isprintable()


@pytest.mark.parametrize("name", BY_NAME)
def test_bad_value_is_refused_from_every_source(machine, name):
    """No source is trusted more than another; the file's line is named."""
    bad = BAD_VALUES[name][0]
    machine.environ.pop("BODHI_HOME", None)

    machine.command_line = {name: bad}
    where = {Source.COMMAND_LINE: machine.faults()}
    machine.command_line = {}
    dotenv = machine.write_dotenv(f"\n{name}='{bad}'\n")
    if name != "BODHI_HOME":  # the machine has it in its environment, which comes first
        where[Source.DOTENV] = machine.faults()
        assert any(f"({dotenv}, line 2)" in fault for fault in where[Source.DOTENV])
    dotenv.unlink()
    yaml = machine.write_yaml(f"# comment\n{name}: '{bad}'\n")
    where[Source.YAML] = machine.faults()
    if name != "BODHI_HOME":
        assert any(f"({yaml}, line 2)" in fault for fault in where[Source.YAML])

    for faults in where.values():
        assert any(fault.startswith(f"{name} (") for fault in faults)
