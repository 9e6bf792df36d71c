"""The login time in a session, and how long a login is recent."""

import base64
import json

import pytest

from bodhi.oidc.responses import IdToken, Tokens
from bodhi.server.access.gate import RECENT_POWER_USER, USER_OR_RECENT_MANAGER, Gate
from bodhi.server.access.principal import ApiToken, SessionUser
from bodhi.server.access.recent_login import RecentLogin
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.authentication.login_data import login_data, refreshed_data, signed_in_at

NOW = 1_800_000_000
NO_TIMES = ["1800000000", True, [NOW], {}, -1, float("nan"), float("inf"), 2**60, "", "yesterday"]


def logged_in(**claims):
    """Return the session data of a login at NOW with *claims* in its ID token."""
    id_token = IdToken("ann", None, {"sub": "ann", **claims})
    return login_data(Tokens("access", "refresh", jwt(sub="ann", **claims), 300), id_token, NOW + 0.9)


def jwt(**claims):
    """Return an unsigned token with these claims."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.sig"


@pytest.mark.parametrize("auth_time", [NOW, NOW - 10, NOW - 86_400, 0, NOW - 0.5])
def test_login_time_comes_from_auth_time(auth_time):
    """Which may be long before the login, by single sign-on."""
    assert int(auth_time) == signed_in_at(logged_in(auth_time=auth_time))


def test_without_auth_time_the_login_time_is_now():
    """The login counts."""
    assert [NOW, NOW] == [signed_in_at(logged_in()), signed_in_at(logged_in(auth_time=None))]


@pytest.mark.parametrize("ahead", [1, 60])
def test_auth_time_in_the_future_is_now(ahead):
    """Nobody signs in later than now, which would be recent for longer."""
    assert NOW == signed_in_at(logged_in(auth_time=NOW + ahead))


@pytest.mark.parametrize("auth_time", [*NO_TIMES, NOW + 61, NOW * 1000])
def test_malformed_auth_time_is_ignored(auth_time, caplog):
    """The login counts, and the log says so."""
    assert NOW == signed_in_at(logged_in(auth_time=auth_time))
    assert ["auth_time of the ID token is invalid or in the future: the time of the login is used"] == caplog.messages


@pytest.mark.parametrize("claims", [{"auth_time": NOW + 500}, {}])
def test_refresh_does_not_update_the_login_time(claims):
    """Whatever its ID token says."""
    data = logged_in(auth_time=NOW - 100)

    refreshed_data(data, Tokens("new", None, jwt(sub="ann", **claims), 300), NOW + 600)

    assert (NOW - 100, "new") == (signed_in_at(data), data["access_token"])


def test_refresh_adds_no_login_time_to_an_older_session():
    """It stays one that does not say when it was."""
    data = {"user_id": "ann", "access_token": "old"}

    refreshed_data(data, Tokens("new", None, jwt(sub="ann", auth_time=NOW), 300), NOW)

    assert None is signed_in_at(data)


@pytest.mark.parametrize(
    ("seconds", "age", "is_admitted"),
    [
        (900, 0, True),
        (900, 900, True),
        (900, 901, False),
        (900, -60, True),
        (900, -61, False),
        (900, None, False),
        (1, 2, False),
        (0, 10**9, True),
        (0, None, True),
    ],
)
def test_login_is_recent_within_the_limit(seconds, age, is_admitted):
    """For so many seconds; 0 asks nobody, and no time and the future are never recent."""
    recent_login = RecentLogin(seconds, clock=lambda: NOW)
    user = SessionUser("ann", "Ann", Role.ADMIN, "token", signed_in_at=None if age is None else NOW - age)

    assert is_admitted is recent_login.admits(user)


def test_only_session_users_of_the_role_need_a_recent_login():
    """Sessions from a role on; never tokens, and nobody where the gate does not say so."""
    user, manager = (SessionUser("ann", "Ann", role, "token") for role in (Role.USER, Role.MANAGER))
    token = ApiToken("ann", TokenScope.ADMIN, "token")
    tokens_too = Gate(Role.MANAGER, TokenScope.MANAGER, recent_login_from=Role.MANAGER)

    assert [False, True] == [USER_OR_RECENT_MANAGER.needs_recent_login(one) for one in (user, manager)]
    assert RECENT_POWER_USER.needs_recent_login(SessionUser("ann", "Ann", Role.POWER_USER, "token"))
    assert not tokens_too.needs_recent_login(token)
    assert not Gate(Role.USER).needs_recent_login(manager)
