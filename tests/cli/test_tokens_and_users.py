"""API tokens and users on the command line."""

import asyncio
import json
import re
import time

import pytest

from bodhi.cli import tables
from bodhi.database import Schema, open_database
from bodhi.server.access.principal import SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role, TokenScope
from bodhi.server.tokens.service import ApiTokens
from bodhi.session import DefaultSessionService
from cli.conftest import KEY


@pytest.fixture
def tokens_by_name(database_url, process_environ):
    """Tokens by name: two of Ann, who has two sessions, and one of Bob, who was removed."""
    process_environ["BODHI_SESSION_DB_URL"] = process_environ["BODHI_DATABASE_URL"] = database_url
    tokens_by_name = {}

    async def fill():
        async with open_database(database_url) as database:
            await Schema(database, "application").migrate()
            tokens, people = ApiTokens(database), Profiles(database)
            for name, user_id in (("first", "ann"), ("second", "ann"), ("third", "bob")):
                await people.note(user_id, user_id.title(), Role.USER)
                owner = SessionUser(user_id, user_id.title(), Role.USER, "token")
                tokens_by_name[name] = await tokens.create(owner, scope=TokenScope.USER, name=name)
            await people.remove("bob")
        async with DefaultSessionService.from_url(database_url, keys=[KEY], sweep_seconds=None) as service:
            for _ in range(2):
                await service.create({"user_id": "ann"})

    asyncio.run(fill())
    return tokens_by_name


def test_tokens_are_listed(bodhi_command, tokens_by_name):
    """Oldest first; neither themselves nor their hashes."""
    status, out, err = bodhi_command("tokens", "list", "--json")
    entries = [json.loads(line) for line in out.splitlines()]

    assert (0, "") == (status, err)
    assert ["first", "second", "third"] == [entry["name"] for entry in entries]
    assert [tokens_by_name[name].record.id for name in tokens_by_name] == [entry["id"] for entry in entries]
    assert not [one for one in tokens_by_name.values() if one.token in out]
    plain = bodhi_command("tokens", "list", "--user", "bob")[1].splitlines()
    assert 2 == len(plain)
    assert plain[1].startswith(f"{tokens_by_name['third'].record.id}  bob   third  bodhiapp_")


def test_token_list_continues_after_its_cursor(bodhi_command, tokens_by_name):
    """After the one that stderr names."""
    _, out, err = bodhi_command("tokens", "list", "--limit", "2", "--json")
    assert 2 == len(out.splitlines())
    last = tokens_by_name["second"].record.id
    assert f"more entries: continue with --after {last}\n" == err

    _, out, err = bodhi_command("tokens", "list", "--after", last, "--json")
    assert (["third"], "") == ([json.loads(line)["name"] for line in out.splitlines()], err)


def test_a_token_is_revoked(bodhi_command, tokens_by_name):
    """Whoever's it is, once, and the others stay; the log says who did it."""
    token_id = tokens_by_name["first"].record.id

    assert (2, "") == bodhi_command("tokens", "revoke", token_id)[:2]
    status, out, err = bodhi_command("tokens", "revoke", token_id, "--yes")
    assert (0, "token deactivated\n") == (status, out)
    assert f"api token disabled token_id={token_id} by=the command line" in err
    again = bodhi_command("tokens", "revoke", token_id, "--yes", "--json")
    assert (1, {"revoked": 0}) == (again[0], json.loads(again[1]))

    out = bodhi_command("tokens", "list", "--json")[1]
    statuses = [json.loads(line)["status"] for line in out.splitlines()]
    assert ["inactive", "active", "active"] == statuses


def test_users_are_listed(bodhi_command, tokens_by_name):
    """With the role they had last, and how many sessions they have."""
    status, out, err = bodhi_command("users", "list", "--json")
    ann, bob = (json.loads(line) for line in out.splitlines())

    assert (0, "") == (status, err)
    assert ("ann", "Ann", "resource_user", False, 2) == tuple(ann.values())[:5]
    assert ("bob", None, True, 0) == (bob["user_id"], bob["role"], bob["is_removed"], bob["sessions"])
    _, out, err = bodhi_command("users", "list", "--limit", "1")
    assert ("USER", "ann", 2) == (out.split()[0], out.splitlines()[1].split()[0], len(out.splitlines()))
    assert "more entries: continue with --after ann\n" == err
    assert ["bob"] == [line.split()[0] for line in bodhi_command("users", "list", "--after", "ann")[1].splitlines()[1:]]


def test_users_are_listed_with_both_names(bodhi_command, tokens_by_name, database_url):
    """With a dash where the provider gave no full name."""

    async def note():
        async with open_database(database_url) as database:
            await Profiles(database).note("ann", "ann@example.org", Role.USER, full_name="Ann Example")

    asyncio.run(note())
    head, ann, bob = bodhi_command("users", "list")[1].splitlines()

    assert ["USER", "USERNAME", "NAME", "ROLE"] == head.split()[:4]
    assert head.index("NAME", head.index("USERNAME") + 8) == ann.index("Ann Example") == bob.index("-")
    assert head.index("USERNAME") == ann.index("ann@example.org") == bob.index("Bob")
    lines = bodhi_command("users", "list", "--json")[1].splitlines()
    assert ["Ann Example", ""] == [json.loads(line)["full_name"] for line in lines]


@pytest.mark.parametrize("columns", [120, 80, 40])
def test_users_fit_the_terminal(bodhi_command, tokens_by_name, database_url, monkeypatch, columns):
    """However long the full name is; each word of it stays whole."""

    async def note():
        async with open_database(database_url) as database:
            await Profiles(database).note("ann", "ann", Role.USER, full_name="Ann Maria Theodora Example")

    asyncio.run(note())
    monkeypatch.setattr(tables, "output_width", lambda: columns)
    out = bodhi_command("users", "list")[1]

    assert max(map(len, out.splitlines())) <= columns
    assert {"Ann", "Maria", "Theodora", "Example"} <= set(out.split())


def test_cursor_of_a_list_is_shell_quoted(bodhi_command, tokens_by_name, database_url):
    """It is part of a command there; a shell takes it as one word."""

    async def note():
        async with open_database(database_url) as database:
            await Profiles(database).note("a b\x1b[2J", "Eve", Role.USER)

    asyncio.run(note())
    assert "more entries: continue with --after 'a b\\x1b[2J'\n" == bodhi_command("users", "list", "--limit", "1")[2]


@pytest.mark.parametrize("command", [("tokens", "list"), ("users", "list")])
def test_missing_database_is_not_created(bodhi_command, tmp_path, command):
    """One line names the setting."""
    status, out, err = bodhi_command(*command, BODHI_DATABASE_URL=f"sqlite:{tmp_path / 'none.sqlite'}")

    assert (2, "", 1) == (status, out, len(err.splitlines()))
    assert err.startswith("bodhi: error: BODHI_DATABASE_URL (environment): ")
    assert not (tmp_path / "none.sqlite").exists()


def test_a_role_is_set(bodhi_command, tokens_by_name, database_url):
    """The user's sessions end; the same role again ends none."""
    status, out, err = bodhi_command("users", "set-role", "ann", "resource_admin")

    assert (0, "role changed\n") == (status, out)
    assert re.search(r"role changed user_id=ann from=\w+ to=resource_admin by=the command line", err)
    (ann, bob) = [json.loads(line) for line in bodhi_command("users", "list", "--json")[1].splitlines()]
    assert ("resource_admin", 0) == (ann["role"], ann["sessions"])
    assert (None, True) == (bob["role"], bob["is_removed"])


def test_a_role_is_not_set_of_somebody_unknown(bodhi_command, tokens_by_name):
    """Nor is the last administrator demoted."""
    no_such_user = (1, "", "bodhi: error: The user does not exist.\n")
    assert no_such_user == bodhi_command("users", "set-role", "eve", "resource_user")
    bodhi_command("users", "set-role", "ann", "resource_admin")

    status, _, err = bodhi_command("users", "set-role", "ann", "resource_user")

    assert 1 == status
    assert "The last administrator cannot be removed or given another role." in err


@pytest.mark.parametrize(
    ("max_age", "hours", "status"),
    [("2h", 3, 1), ("2h", 1, 0), ("60d", 31 * 24, 0)],
    ids=["expired", "valid", "longer"],
)
def test_an_unconfirmed_administrator_is_not_another_one(
    bodhi_command, tokens_by_name, database_url, max_age, hours, status
):
    """As on the pages: the setting decides how long the provider's word counts."""

    async def note():
        async with open_database(database_url) as database:
            await Profiles(database).note("ann", "Ann", Role.ADMIN)
            then = round(time.time() - hours * 3_600) * 1_000
            await Profiles(database, clock=lambda: then).note("eve", "Eve", Role.ADMIN)

    asyncio.run(note())

    answer = bodhi_command("users", "set-role", "ann", "resource_user", BODHI_AUTH_ROLE_MAX_AGE=max_age)

    assert (status, status == 1) == (
        answer[0],
        "The last administrator cannot be removed or given another role." in answer[2],
    )


def test_a_role_at_the_provider_is_not_set_here(bodhi_command, tokens_by_name, process_environ):
    """It would not count."""
    process_environ["BODHI_AUTH_MANAGEMENT"] = "true"

    status, out, err = bodhi_command("users", "set-role", "ann", "resource_user")

    assert (1, "") == (status, out)
    assert "BODHI_AUTH_MANAGEMENT" in err
