"""The detection of logged secrets, with secrets logged on purpose."""

import logging
import secrets

import pytest

import bodhi.database.postgres  # noqa: F401 - which is heard once it is imported
from bodhi.database import open_database
from bodhi.oidc.responses import ClientCredentials
from bodhi.server.login import service as login
from bodhi.session.handles import new_session_id
from bodhi.settings import load_settings
from bodhi.settings.key_file import new_key
from bodhi.testing import DevelopmentProvider
from support.leaks import PIECE, Leaks, note, note_settings, watched

log = logging.getLogger("bodhi.test")
PASSWORD = "s3cr3t-pass"


def of_a_provider():
    """A token's signature."""
    return DevelopmentProvider().issue_access_token().rpartition(".")[2]


def of_settings():
    """A masked setting."""
    environ = {"BODHI_CLIENT_ID": "me", "BODHI_CLIENT_SECRET": f"setting-{PASSWORD}"}
    return load_settings(environ={**environ, "BODHI_AUTH_ISSUER": "https://idp.example"}).client_secret


def of_credentials():
    """Client credentials from a registration or a test."""
    return ClientCredentials("me", f"registered-{PASSWORD}").client_secret


def of_a_url():
    """The password of a database."""
    open_database(f"postgresql://me:{PASSWORD}@127.0.0.1/db")
    return f"postgresql://me:{PASSWORD}@127.0.0.1/db"


def of_an_environment():
    """The environment of a process."""
    note_settings({"BODHI_ENCRYPTION_KEY": f"environment-{PASSWORD}"})
    return f"environment-{PASSWORD}"


SECRETS = [
    new_session_id,
    lambda: "bodhiapp_" + secrets.token_urlsafe(32),
    new_key,
    lambda: login._random(43),
    of_a_provider,
    of_settings,
    of_credentials,
    of_a_url,
    of_an_environment,
]


@pytest.fixture
def caught(leaks):
    """The detected leaks, which do not fail the test."""
    yield leaks
    leaks.texts.clear()


@pytest.mark.parametrize("make", SECRETS)
def test_leaked_secret_is_detected_at_its_log_call(caught, make):
    """Whatever made it."""
    secret = make()
    log.debug("here: %s", secret)

    assert [f"here: {secret}"] == caught.found()


@pytest.mark.parametrize(
    "say",
    [
        lambda piece: log.info("a piece: %s.", piece),
        lambda piece: log.info("fields", extra={"fields": {"piece": piece}}),
        lambda piece: logging.getLogger("asyncio").info("from a library: %s", piece),
    ],
)
def test_part_of_a_secret_is_detected_anywhere(caught, say):
    """In the message, in its fields, and in what libraries write."""
    say(new_session_id()[10 : 10 + PIECE])

    assert 1 == len(caught.found())


def test_text_of_an_exception_is_caught(caught):
    """It comes with the traceback."""
    try:
        raise ValueError(new_session_id())
    except ValueError:
        log.exception("failed")

    assert 1 == len(caught.found())


def test_output_of_a_process_is_caught(caught):
    """Line by line."""
    secret = note(secrets.token_hex(16))
    caught.look_at(f"harmless\nnot so: {secret}\n")

    assert [f"not so: {secret}"] == caught.found()


def test_text_without_secrets_is_accepted(leaks):
    """Less than a piece of one, the header of a token, what is left out at DEBUG, and what nobody writes."""
    session_id, token = new_session_id(), DevelopmentProvider().issue_access_token()
    log.debug("%s, %s", session_id[: PIECE - 1], token.partition(".")[0])
    logging.getLogger("aiosqlite").debug(session_id)

    assert [] == leaks.found()
    assert 1 == len(leaks.texts)


def test_log_levels_and_handlers_are_restored(caplog):
    """What is listened to is not what other listeners get."""
    log.info("not asked for")
    log.warning("usual")
    with caplog.at_level("DEBUG"):
        log.debug("asked for")

    assert ["usual", "asked for"] == [record.getMessage() for record in caplog.records]


def test_secrets_of_other_tests_are_forgotten():
    """Each test answers for its own."""
    secret = new_session_id()
    with watched() as leaks:
        log.info(secret)

    assert [] == leaks.found()
    assert isinstance(leaks, Leaks)
