"""``/bodhi/v1/settings``: list settings and change them at run time."""

import logging

import pytest

from bodhi import logs
from bodhi.server.access.principal import ApiToken, ExternalApp
from bodhi.server.access.scopes import TokenScope, UserScope
from bodhi.server.settings.api import OPERATIONS
from bodhi.server.settings.service import SETTINGS_SERVICE, SettingsService
from bodhi.server.tokens import editable_settings
from bodhi.server.tokens.service import ApiTokens
from bodhi.settings import BODHI_LOG_LEVEL, BY_NAME, load_settings
from bodhi.settings.export import INTRODUCTION

MALFORMED = (400, "json_rejection_error")
WRONG_TYPE = (400, "settings_metadata_error-invalid_value_type")
NOT_ALLOWED = (400, "settings_metadata_error-invalid_value")
LEVEL, LIFETIME, MEMORY = (
    "/settings/BODHI_LOG_LEVEL",
    "/settings/BODHI_API_TOKEN_LIFETIME",
    "/settings/BODHI_TOKEN_MEMORY",
)


def editable(tokens):
    """Return the editable settings."""
    return {BODHI_LOG_LEVEL: logs.set_level, **editable_settings(tokens)}


@pytest.fixture(autouse=True)
def same_log_levels():
    """Restore the log levels after the test."""
    before = logging.getLogger().level, logging.getLogger("bodhi").level
    yield
    logging.getLogger().setLevel(before[0])
    logging.getLogger("bodhi").setLevel(before[1])


@pytest.fixture
def load(tmp_path):
    """Loads settings from the command line, the environment and settings.yaml."""

    def load(command_line=None, yaml="", **environ):
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "home" / "settings.yaml").write_text(yaml)
        return load_settings(command_line, {"BODHI_HOME": str(tmp_path / "home"), **environ}, tmp_path)

    return load


@pytest.fixture
def tokens(application):
    """The API tokens service that some settings affect."""
    return ApiTokens(application)


@pytest.fixture
def make_service(application, tokens, clock):
    """Creates the settings service."""

    def make_service(settings, **options):
        return SettingsService(settings, application, editable=editable(tokens), clock=clock, **options)

    return make_service


@pytest.fixture
async def api(serve, make_service, load):
    """The handlers, with default settings."""
    async with make_service(load()) as book:
        yield await serve(OPERATIONS, {SETTINGS_SERVICE: book})


@pytest.fixture
async def bare(serve, load):
    """The handlers without a database."""
    book = SettingsService(load(), None, editable=editable(ApiTokens(None)))
    return await serve(OPERATIONS, {SETTINGS_SERVICE: book})


async def entry(api, name):
    """Return a setting from the list."""
    _, entries = await api("admin", "GET", "/settings")
    [found] = [one for one in entries if one["key"] == name]
    return found


async def test_every_setting_is_listed(bare):
    """In the form that has everything a page needs."""
    status, entries = await bare("admin", "GET", "/settings")

    assert 200 == status
    assert list(BY_NAME) == [one["key"] for one in entries]
    assert {("key", "current_value", "default_value", "source", "metadata")} == {tuple(one) for one in entries}


@pytest.mark.parametrize(
    ("name", "current", "default", "source", "metadata"),
    [
        ("BODHI_PORT", 1135, 1135, "default", {"type": "number", "min": 0, "max": 65535}),
        ("BODHI_PUBLIC_PORT", 1135, 1135, "default", {"type": "number", "min": 1, "max": 65535}),
        ("BODHI_DB_TIMEOUT", 5.0, 5.0, "default", {"type": "number", "min": 0.1, "max": 300}),
        ("BODHI_SESSION_IDLE_TIMEOUT", 86400, 86400, "default", {"type": "number", "min": 1, "max": 315360000}),
        ("BODHI_API_TOKEN_LIFETIME", None, None, "default", {"type": "number", "min": 60, "max": 315360000}),
        ("BODHI_DEV", False, False, "default", {"type": "boolean"}),
        ("BODHI_CLIENT_SECRET", None, None, "default", {"type": "string"}),
        ("BODHI_TRUSTED_PROXIES", None, None, "default", {"type": "string"}),
        (
            "BODHI_DEPLOYMENT",
            "standalone",
            "standalone",
            "default",
            {"type": "option", "options": ["standalone", "cluster"]},
        ),
    ],
)
async def test_values_have_their_types(bare, name, current, default, source, metadata):
    """Numbers are numbers, durations their seconds."""
    expected = {
        "key": name,
        "current_value": current,
        "default_value": default,
        "source": source,
        "metadata": metadata,
    }
    assert expected == await entry(bare, name)


async def test_setting_sources_are_listed(serve, load, tmp_path):
    """Where each value came from."""
    (tmp_path / ".env").write_text("BODHI_PORT=4000\n")
    settings = load({"BODHI_WORKERS": "2"}, "BODHI_LOG_FORMAT: json\n", BODHI_LOG_LEVEL="warning")
    api = await serve(OPERATIONS, {SETTINGS_SERVICE: SettingsService(settings, None, editable={})})

    names = ("WORKERS", "PORT", "LOG_LEVEL", "LOG_FORMAT", "HOST", "ENCRYPTION_KEY", "HOME")
    found = [await entry(api, f"BODHI_{name}") for name in names]

    assert [
        (2, "command_line"),
        (4000, "environment"),
        ("WARNING", "environment"),
        ("json", "settings_file"),
        ("localhost", "default"),
        ("***", "system"),
        (str(tmp_path / "home"), "environment"),
    ] == [(one["current_value"], one["source"]) for one in found]


async def test_secrets_are_masked(serve, load):
    """Keys, secrets, and passwords in URLs, also in what defaults are made of."""
    secret = "hunter2-correct-horse-battery-staple"
    url = f"postgresql://bodhi:{secret}@db.example/bodhi"
    settings = load(
        BODHI_SESSION_DB_URL=url,
        BODHI_DATABASE_URL=url,
        BODHI_ENCRYPTION_KEY=secret,
        BODHI_SETUP_SECRET=secret,
        BODHI_CLIENT_ID="bodhi",
        BODHI_CLIENT_SECRET=secret,
        BODHI_AUTH_ISSUER="https://id.example",
    )
    api = await serve(OPERATIONS, {SETTINGS_SERVICE: SettingsService(settings, None, editable={})})

    async with api.client.get("/bodhi/v1/settings", headers={"Test-Caller": "admin"}) as response:
        text = await response.text()

    assert "hunter2" not in text
    assert "postgresql://bodhi:***@db.example/bodhi" == (await entry(api, "BODHI_DATABASE_URL"))["current_value"]


async def test_a_setting_is_changed_and_changed_back(api, tokens):
    """The answer is the setting as it is now; it is in force at once."""
    expected = {
        "key": "BODHI_API_TOKEN_LIFETIME",
        "current_value": 3600,
        "default_value": None,
        "source": "database",
        "metadata": {"type": "number", "min": 60, "max": 315360000},
    }
    assert (200, expected) == await api("admin", "PUT", LIFETIME, {"value": 3600})
    assert 3_600 == tokens.default_lifetime_seconds
    assert expected == await entry(api, "BODHI_API_TOKEN_LIFETIME")

    expected |= {"current_value": None, "source": "default"}
    assert [(200, expected)] * 2 == [await api("admin", "DELETE", LIFETIME) for _ in range(2)]
    assert None is tokens.default_lifetime_seconds


def test_editable_settings_are_documented():
    """On the page about settings."""
    assert [] == [name for name in editable(ApiTokens(None)) if f"`{name}`" not in INTRODUCTION]


async def test_log_level_can_be_changed_at_run_time(api):
    """The word may be written in any case."""
    logs.set_level("INFO")
    status, changed = await api("admin", "PUT", LEVEL, {"value": "debug"})

    assert (200, "DEBUG", "database") == (status, changed["current_value"], changed["source"])
    assert logging.DEBUG == logging.getLogger("bodhi").level
    assert logging.INFO == logging.getLogger().level
    await api("admin", "DELETE", LEVEL)
    assert logging.INFO == logging.getLogger("bodhi").level


async def test_token_cache_lifetime_can_be_changed_at_run_time(api, tokens):
    """A float without a fraction is a whole number."""
    assert 200 == (await api("admin", "PUT", MEMORY, {"value": 0.0}))[0]
    assert 0 == tokens.memory_seconds


async def test_changes_are_logged_with_who_made_them(api, caplog):
    """And with the value, none of which is secret."""
    with caplog.at_level(logging.INFO):
        await api("admin", "PUT", LIFETIME, {"value": "1h"})
        await api("admin", "DELETE", LIFETIME)

    assert [
        "setting changed key=BODHI_API_TOKEN_LIFETIME value=3600 by=id-admin",
        "setting reset key=BODHI_API_TOKEN_LIFETIME by=id-admin",
    ] == [record.message for record in caplog.records if record.message.startswith("setting ")]


@pytest.mark.parametrize(("written", "seconds"), [("90d", 7_776_000), ("1h30m", 5_400), ("3600", 3_600)])
async def test_durations_may_be_written_with_units(api, tokens, application, written, seconds):
    """The answer and the database have seconds, which older versions read, too."""
    status, changed = await api("admin", "PUT", LIFETIME, {"value": written})

    assert (200, seconds) == (status, changed["current_value"])
    assert seconds == tokens.default_lifetime_seconds
    assert [str(seconds)] == [row["value"] for row in await application.many("list_settings")]


@pytest.mark.parametrize(
    ("path", "value", "refused"),
    [
        (LEVEL, None, (400, "settings_metadata_error-null_value")),
        (LIFETIME, None, (400, "settings_metadata_error-null_value")),
        (LEVEL, 10, WRONG_TYPE),
        (LEVEL, ["DEBUG"], WRONG_TYPE),
        (LEVEL, {"a": "DEBUG"}, WRONG_TYPE),
        (LEVEL, True, WRONG_TYPE),
        (LIFETIME, ["1h"], WRONG_TYPE),
        (LIFETIME, True, WRONG_TYPE),
        (LEVEL, "LOUD", NOT_ALLOWED),
        (LEVEL, "", NOT_ALLOWED),
        (LEVEL, " DEBUG", NOT_ALLOWED),
        (LEVEL, "DEBUG\0", NOT_ALLOWED),
        (LIFETIME, 59, NOT_ALLOWED),
        (LIFETIME, -60, NOT_ALLOWED),
        (LIFETIME, 60.5, NOT_ALLOWED),
        (LIFETIME, 315_360_001, NOT_ALLOWED),
        (LIFETIME, 1e300, NOT_ALLOWED),
        (LIFETIME, "3 weeks", NOT_ALLOWED),
        (LIFETIME, "-1h", NOT_ALLOWED),
        (LIFETIME, "59s", NOT_ALLOWED),
        (LIFETIME, "1h\n", NOT_ALLOWED),
        (LIFETIME, "٣h", NOT_ALLOWED),
        (LIFETIME, "", NOT_ALLOWED),
        (LIFETIME, 10**30, NOT_ALLOWED),
        (MEMORY, 301, NOT_ALLOWED),
    ],
)
async def test_changed_value_is_validated(bare, path, value, refused):
    """Before anything is stored."""
    assert refused == await bare("admin", "PUT", path, {"value": value})


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("BODHI_HOME", (400, "settings_error-bodhi_home")),
        ("BODHI_NOTHING", (404, "settings_error-not_found")),
        ("bodhi_log_level", (404, "settings_error-not_found")),
        ("PATH", (404, "settings_error-not_found")),
        ("%00", (404, "settings_error-not_found")),
        ("BODHI_PORT", (400, "settings_error-unsupported")),
        ("BODHI_ENCRYPTION_KEY", (400, "settings_error-unsupported")),
    ],
)
async def test_non_editable_settings_are_refused(bare, name, refused):
    """Whatever the value would be: the setting is looked at first."""
    for value in ("x", None, 1):
        assert refused == await bare("admin", "PUT", f"/settings/{name}", {"value": value})
    assert refused == await bare("admin", "DELETE", f"/settings/{name}")


async def test_bad_bodies_are_one_400(bare):
    """A value that is missing is none that is null."""
    bodies = [{}, [], "x", {"valu": 1}]

    assert [MALFORMED] * 4 == [await bare("admin", "PUT", LEVEL, body) for body in bodies]
    assert MALFORMED == await bare("admin", "PUT", "/settings/BODHI_HOME", {})


CALLERS = {
    "": (401, "auth_error-invalid_access"),
    "nobody": (401, "api_auth_error-missing_auth"),
    "manager": (403, "api_auth_error-forbidden"),
    "token": (401, "api_auth_error-missing_auth"),
    "app": (401, "api_auth_error-missing_auth"),
}


async def test_settings_are_for_administrators_with_a_session(bare, authenticator):
    """Nobody else."""
    authenticator.callers["token"] = ApiToken("id-admin", TokenScope.ADMIN, "t")
    authenticator.callers["app"] = ExternalApp("id-admin", "a", UserScope.ADMIN, "t", "t", "app")
    for caller, refused in CALLERS.items():
        answers = [
            await bare(caller, "GET", "/settings"),
            await bare(caller, "PUT", LEVEL, {"value": "DEBUG"}),
            await bare(caller, "DELETE", LEVEL),
        ]
        assert [refused] * 3 == answers


async def test_command_line_and_environment_take_precedence(serve, make_service, load, tokens):
    """The change is kept, and in force in processes that have neither; settings.yaml comes after it."""
    settings = load({"BODHI_TOKEN_MEMORY": "7"}, "BODHI_API_TOKEN_LIFETIME: 1h\n", BODHI_LOG_LEVEL="ERROR")
    async with make_service(settings) as book:
        api = await serve(OPERATIONS, {SETTINGS_SERVICE: book})
        changed = [
            await api("admin", "PUT", path, {"value": value})
            for path, value in ((MEMORY, 1), (LEVEL, "DEBUG"), (LIFETIME, 60))
        ]

    assert [(7, "command_line"), ("ERROR", "environment"), (60, "database")] == [
        (one["current_value"], one["source"]) for _, one in changed
    ]
    assert 60 == tokens.default_lifetime_seconds
    async with make_service(load()) as book:
        found = {one.key: (one.current_value, one.source) for one in book.entries()}
    assert (1, "database") == found["BODHI_TOKEN_MEMORY"]
    assert logging.DEBUG == logging.getLogger("bodhi").level


async def test_invalid_stored_value_is_ignored(make_service, load, application, clock, caplog):
    """Said once, and nothing of the value."""
    for key, value in (("BODHI_TOKEN_MEMORY", "hunter2"), ("BODHI_PORT", "1"), ("BODHI_GONE", "x")):
        await application.count("put_setting", key=key, value=value, type="string", by=None, now=clock())

    with caplog.at_level(logging.WARNING):
        async with make_service(load()) as book:
            await book.change("BODHI_LOG_LEVEL", "ERROR", by="id-ann")
            found = {one.key: (one.current_value, one.source) for one in book.entries()}

    assert ((10, "default"), (1135, "default")) == (found["BODHI_TOKEN_MEMORY"], found["BODHI_PORT"])
    assert "hunter2" not in caplog.text
    assert "BODHI_TOKEN_MEMORY" in caplog.text
