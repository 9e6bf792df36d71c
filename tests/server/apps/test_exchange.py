"""Token exchange: validation of exchanged tokens, and caching."""

import asyncio
from typing import Any

import pytest

from bodhi.database import Schema, open_database
from bodhi.server.access.scopes import UserScope
from bodhi.server.access.ttl_cache import TtlCache
from server.apps.external import APP, MEMORY_SECONDS, SCOPE, payload_of, refused, world_in

INVALID = (401, "token_error-invalid_token")
UNAVAILABLE = (503, "auth_error-idp_unavailable")
WITH_ADMIN = f"{SCOPE} scope_user_admin"


@pytest.fixture
async def world(sqlite_url):
    """A world on SQLite, for tests independent of the database."""
    async with open_database(sqlite_url) as database:
        await Schema(database, "application").migrate()
        async with world_in(database) as world:
            yield world


@pytest.fixture
async def each_world(application):
    """A world on each database."""
    async with world_in(application) as world:
        yield world


UNSOUND = {
    "another person's": lambda world: world.exchanged("admin"),
    "issued to the other application": lambda world: world.exchanged(client_id=APP),
    "the presented one": lambda world: world.token(),
    "for somebody else": lambda world: world.exchanged(audience=[APP]),
    "by another issuer": lambda world: world.exchanged(iss="http://evil.example"),
    "by nobody": lambda world: world.exchanged(iss=None),
    "with more scope": lambda world: world.exchanged(scope=WITH_ADMIN),
    "expired": lambda world: world.exchanged(exp=int(world.wall.now) - 61),
    "not valid yet": lambda world: world.exchanged(nbf=int(world.wall.now) + 70),
    "unsigned": lambda world: world.idp.sign(payload_of(world.exchanged()), {"alg": "none"}),
    "signed by a stranger": lambda world: world.idp.sign(
        payload_of(world.exchanged()), {"alg": "HS256"}, key=b"k" * 32
    ),
    "changed": lambda world: world.exchanged()[:-8] + "AAAAAAAA",
    "without a person": lambda world: world.exchanged(sub=None),
    "without an end": lambda world: world.exchanged(exp=None),
    "an ID token": lambda world: world.exchanged(typ="ID"),
    "opaque": lambda world: "opaque",
    "empty": lambda world: "",
}


async def test_invalid_exchanged_tokens_are_refused_and_not_cached(world):
    """Whoever makes such tokens out of others; the next answer may be a sound one."""
    token = world.token()
    answers = {}
    for name, make in UNSOUND.items():
        world.answer_exchange_with(make(world))
        answers[name] = await refused(world.apps.authenticate(token))

    # An answer without a token is none.
    assert {**dict.fromkeys(UNSOUND, INVALID), "empty": UNAVAILABLE} == answers
    assert 0 == len(world.memory)
    assert None is await refused(world.apps.authenticate(token))


SOUND: dict[str, dict[str, Any]] = {
    "for nobody in particular": {"aud": None, "azp": None},
    "for others as well": {"audience": ["account", "bodhi"]},
    "with less scope": {"scope": "openid"},
    "without scope": {"scope": None},
    "without an id": {"jti": None},
}


async def test_valid_exchanged_tokens_are_accepted(world):
    """With what may be absent, or less."""
    roles = {}
    for name, claims in SOUND.items():
        world.answer_exchange_with(world.exchanged(**claims))
        app = await world.apps.authenticate(world.token(scope=WITH_ADMIN))
        roles[name] = app.role

    assert {name: None if "scope" in claims else UserScope.USER for name, claims in SOUND.items()} == roles


async def test_user_scope_absent_from_the_presented_token_is_refused(world):
    """Less than that is nothing."""
    world.answer_exchange_with(world.exchanged(scope="scope_user_user"))

    assert INVALID == await refused(world.apps.authenticate(world.token(scope="openid")))


async def test_refused_exchange_is_an_invalid_token(world, caplog):
    """Its own words stay in no answer and no log; and it is not remembered."""
    token = world.token()
    for status in (400, 401, 403, 404, 422):
        for body in ({"error": "invalid_token", "error_description": f"it was {token}"}, "<html>no</html>", ""):
            world.idp.fail("exchange", status=status, body=body, times=None)
            assert INVALID == await refused(world.apps.authenticate(token))
            world.idp.heal()

    # After a 401 without a code, the other way to authenticate is tried.
    assert (0, 15 + 2) == (len(world.memory), world.exchanges)
    assert token not in caplog.text
    assert None is await refused(world.apps.authenticate(token))


async def test_provider_outage_during_an_exchange_is_reported(world):
    """So that the application tries again later, with the same token."""
    token = world.token()
    for status in (429, 500, 502, 503):
        world.idp.fail("exchange", status=status, body="<html>sorry</html>")
        assert UNAVAILABLE == await refused(world.apps.authenticate(token))

    assert None is await refused(world.apps.authenticate(token))


@pytest.mark.parametrize("call", ["exchange", "certs", "discovery"])
async def test_connection_that_breaks_is_an_outage(world, call):
    """Wherever it breaks."""
    world.idp.reset(call, times=None)

    assert UNAVAILABLE == await refused(world.apps.authenticate(world.token()))


async def test_malformed_exchange_response_is_an_outage(world):
    """It says nothing about the token."""
    for body in ("<html>", "[]", {"access_token": 5}, {}):
        world.idp.fail("exchange", status=200, body=body)
        assert UNAVAILABLE == await refused(world.apps.authenticate(world.token()))
    assert 0 == len(world.memory)


async def test_one_exchange_serves_all_requests_with_a_token(world):
    """Also those that come at once."""
    token = world.token()
    hold = world.idp.hold("exchange")

    waiting = [asyncio.create_task(world.apps.authenticate(token)) for _ in range(50)]
    await hold.wait_until_reached()
    hold.release()
    apps = await asyncio.gather(*waiting)
    apps.append(await world.apps.authenticate(token))

    assert (1, 1) == (world.exchanges, len({app.token for app in apps}))


async def test_failure_reaches_all_waiters_and_is_not_kept(world):
    """The next request asks again."""
    token = world.token()
    world.idp.fail("exchange", status=400)

    answers = await asyncio.gather(*(refused(world.apps.authenticate(token)) for _ in range(10)))

    assert ({INVALID}, 1) == (set(answers), world.exchanges)
    assert None is await refused(world.apps.authenticate(token))


async def test_exchange_results_are_cached_per_token(world):
    """Not even such as differ by their signature, or by a blank behind them."""
    token = world.token()
    await world.apps.authenticate(token)
    others = [token + "A", token[:-1], token + " ", token + ".", token[:-4] + token[-4:].swapcase(), token.lower()]

    answers = [await refused(world.apps.authenticate(other)) for other in others]
    manager = await world.apps.authenticate(world.token("manager"))

    assert None not in answers
    assert (1, world.idp.person("manager").user_id) == (world.exchanges - 1, manager.user_id)


async def test_blank_token_is_never_cached(world):
    """Nobody can leave an answer for it."""
    for blank in ("", " ", "\t", "\n "):
        assert INVALID == await refused(world.apps.authenticate(blank))
    assert 0 == len(world.memory)


async def test_cached_exchange_expires_with_either_token_or_by_age(world):
    """Then the provider is asked again."""
    for presented, exchanged in ((60, 120), (120, 60), (3_600, 3_600), (MEMORY_SECONDS, 3_600)):
        token, asked_before = world.token(expires_in=presented), world.exchanges
        world.answer_exchange_with(world.exchanged(expires_in=exchanged))
        await world.apps.authenticate(token)

        world.wall.now += min(presented, exchanged, MEMORY_SECONDS) - 1
        await world.apps.authenticate(token)
        assert 1 == world.exchanges - asked_before

        world.wall.now += 1
        await world.apps.authenticate(token)
        assert 2 == world.exchanges - asked_before


async def test_cached_token_is_refused_after_its_expiry(world):
    """Without asking anybody."""
    token = world.token(expires_in=60)
    await world.apps.authenticate(token)

    world.wall.now += 121

    assert (401, "token_error-expired") == await refused(world.apps.authenticate(token))
    assert 1 == world.exchanges


async def test_exchange_cache_can_be_disabled(world):
    """Each request is exchanged."""
    apps = world.apps_with(memory=TtlCache(seconds=0, clock=world.wall))
    token = world.token()

    await apps.authenticate(token)
    await apps.authenticate(token)

    assert 2 == world.exchanges


async def test_memory_is_bounded(world):
    """The oldest answer goes."""
    memory = TtlCache(seconds=MEMORY_SECONDS, max_entries=3, clock=world.wall)
    apps = world.apps_with(memory=memory)
    tokens = [world.token() for _ in range(5)]

    for token in tokens:
        await apps.authenticate(token)
    await apps.authenticate(tokens[-1])

    assert (3, 5) == (len(memory), world.exchanges)


async def test_changed_users_exchanges_are_dropped_from_the_cache(world):
    """All of their tokens, in whichever application."""
    tokens = [world.token(), world.token(client_id="third-app"), world.token("manager")]
    for token in tokens:
        await world.apps.authenticate(token)

    world.apps.forget_user(world.idp.person("user").user_id)
    for token in tokens:
        await world.apps.authenticate(token)

    assert 3 + 2 == world.exchanges


async def test_exchange_in_progress_is_not_cached_after_a_removal(world):
    """What was asked before is not remembered after."""
    token = world.token()
    hold = world.idp.hold("exchange")
    waiting = asyncio.create_task(world.apps.authenticate(token))
    await hold.wait_until_reached()

    world.apps.forget_user(world.idp.person("user").user_id)
    hold.release()
    await waiting

    assert 0 == len(world.memory)


async def test_withdrawn_approval_ends_its_tokens_at_once(each_world):
    """And no others."""
    world = each_world
    request = await world.approved()
    token = world.token(scope=request.access_request_scope)
    other = world.token()
    await world.apps.authenticate(token)
    await world.apps.authenticate(other)

    await world.requests.withdraw(request.id, world.idp.person("user").user_id)

    expected = (403, "access_request_validation_error-not_approved")
    assert expected == await refused(world.apps.authenticate(token))
    assert None is await refused(world.apps.authenticate(other))
    assert 2 == world.exchanges


async def test_withdrawn_approval_ends_in_other_processes_within_the_limit(each_world):
    """They hear of it as their own memory ends."""
    world = each_world
    request = await world.approved()
    token = world.token(scope=request.access_request_scope, expires_in=3_600)
    elsewhere = world.apps_with(memory=TtlCache(seconds=MEMORY_SECONDS, clock=world.wall))
    await elsewhere.authenticate(token)

    await world.requests.withdraw(request.id, world.idp.person("user").user_id)
    world.wall.now += MEMORY_SECONDS

    expected = (403, "access_request_validation_error-not_approved")
    assert expected == await refused(elsewhere.authenticate(token))


async def test_database_outage_is_not_an_invalid_token(each_world, monkeypatch):
    """It is told as what it is, and nothing is remembered."""
    world = each_world
    request = await world.approved()
    token = world.token(scope=request.access_request_scope)
    await world.database.script("ALTER TABLE bodhi_person RENAME TO gone")
    with pytest.raises(Exception, match=r"(?i)bodhi_person"):
        await world.apps.authenticate(token)
    await world.database.script("ALTER TABLE gone RENAME TO bodhi_person")

    assert (0, 0) == (world.exchanges, len(world.memory))
    assert None is await refused(world.apps.authenticate(token))
