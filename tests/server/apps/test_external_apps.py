"""The checks of external application tokens, in order, and their results."""

from functools import cache

import pytest
from joserfc.jwk import RSAKey

from bodhi.database import Schema, open_database
from bodhi.server.access.principal import ExternalApp
from bodhi.server.access.scopes import Role, UserScope
from bodhi.server.access.ttl_cache import TtlCache
from server.apps.external import APP, MEMORY_SECONDS, SCOPE, encoded, payload_of, refused, world_in

INVALID = (401, "token_error-invalid_token")
NOT_GENUINE = (401, "token_error-json_web_token")
EXPIRED = (401, "token_error-expired")
ISSUER = (401, "token_error-invalid_issuer")
AUDIENCE = (401, "token_error-invalid_audience")
NO_INSTANCE = (500, "app_instance_error-not_found")


def request_error(detail):
    """Return the error of an app access request check."""
    return 403, f"access_request_validation_error-{detail}"


@cache
def attacker():
    """A key that is not the provider's; slow to generate."""
    return RSAKey.generate_key(2048, {"kid": "attacker"})


@pytest.fixture
async def world(application):
    """A world on each database."""
    async with world_in(application) as world:
        yield world


@pytest.fixture
async def small_world(sqlite_url):
    """A world on SQLite, for tests independent of the database."""
    async with open_database(sqlite_url) as database:
        await Schema(database, "application").migrate()
        async with world_in(database) as world:
            yield world


def parts(token, header=None, payload=None, signature=None):
    """Return *token* with other parts and its old signature."""
    own = token.split(".")
    replaced = [
        part if new is None else encoded(new) for part, new in zip(own, (header, payload, signature), strict=True)
    ]
    return ".".join(replaced)


def changed(token, **claims):
    """Return *token* with other claims and its old signature."""
    return parts(token, payload={**payload_of(token), **claims})


MALFORMED = {
    "no token": lambda world: "abc",
    "two parts": lambda world: world.token().rpartition(".")[0],
    "four parts": lambda world: world.token() + ".e30",
    "five parts": lambda world: world.token() + ".e30.e30",
    "empty parts": lambda world: "..",
    "blanks inside": lambda world: world.token().replace(".", " .", 1),
    "no base64": lambda world: "!" + world.token(),
    "header is no JSON": lambda world: parts(world.token(), header=b"header"),
    "no alg": lambda world: parts(world.token(), header={"typ": "JWT"}),
    "header is a list": lambda world: parts(world.token(), header=[]),
    "payload is no JSON": lambda world: world.idp.sign(b"payload"),
    "payload is no text": lambda world: world.idp.sign(b"\xff\xfe"),
    "payload is a list": lambda world: world.idp.sign(b"[]"),
    "payload is a text": lambda world: world.idp.sign(b'"sub"'),
    "payload is nested too deep": lambda world: world.idp.sign(b"[" * 20_000),
    "payload is empty": lambda world: world.idp.sign(b""),
    "large": lambda world: world.altered(padding="a" * 70_000),
    **{
        f"without {name}": lambda world, name=name: world.altered(**{name: None})  # type: ignore[misc]
        for name in ("jti", "sub", "exp", "scope")
    },
    "null as jti": lambda world: world.idp.sign({**payload_of(world.token()), "jti": None}),
    "empty sub": lambda world: world.altered(sub=""),
    **{
        f"{name} is {value!r}": lambda world, name=name, value=value: world.altered(**{name: value})  # type: ignore[misc]
        for name, value in [
            ("sub", 1),
            ("sub", ["a"]),
            ("jti", []),
            ("exp", "1800000300"),
            ("exp", True),
            ("exp", {}),
            ("exp", -1),
            ("exp", 1e300),
            ("scope", [5]),
            ("iss", 5),
            ("azp", 5),
            ("aud", 5),
            ("aud", [5]),
            ("aud", {"bodhi": 1}),
            ("nbf", "soon"),
        ]
    },
    # Before any signature is looked at:
    "unsigned without jti": lambda world: changed(world.token(), jti=None),
    "without azp": lambda world: world.altered(azp=None),
    "without aud": lambda world: world.altered(aud=None),
}
FORGED = {
    "another payload": lambda world: changed(world.token(), scope="scope_user_admin"),
    "another signature": lambda world: parts(world.token(), signature=b"signature"),
    "no signature": lambda world: world.token().rpartition(".")[0] + ".",
    "alg none": lambda world: world.idp.sign(payload_of(world.token()), {"alg": "none"}),
    "alg None": lambda world: world.idp.sign(payload_of(world.token()), {"alg": "None"}),
    "alg HS256 with the public key": lambda world: world.idp.sign(
        payload_of(world.token()), {"alg": "HS256"}, key=world.idp.realm.keys.current.as_pem(private=False)
    ),
    "a stranger's key": lambda world: world.idp.sign(payload_of(world.token()), key=attacker()),
    "a stranger's key under a known kid": lambda world: world.idp.sign(
        payload_of(world.token()), {"kid": world.idp.realm.keys.current.kid}, key=attacker()
    ),
    "a key that it brings": lambda world: world.idp.sign(
        payload_of(world.token()), {"jwk": attacker().as_dict(private=False), "kid": None}, key=attacker()
    ),
    "addresses of keys": lambda world: world.idp.sign(
        payload_of(world.token()), {"jku": "http://evil.example/keys", "x5u": "http://evil.example/key"}, key=attacker()
    ),
    "kid that is a path": lambda world: world.idp.sign(payload_of(world.token()), {"kid": "../../../dev/null"}),
    "kid that is a number": lambda world: world.idp.sign(payload_of(world.token()), {"kid": 1}),
    "unknown crit": lambda world: world.idp.sign(payload_of(world.token()), {"crit": ["exp"], "exp": 1}),
    "crit b64": lambda world: world.idp.sign(payload_of(world.token()), {"crit": ["b64"], "b64": True}),
    "an ID token": lambda world: world.altered(typ="ID", nonce="n"),
    "a refresh token": lambda world: world.altered(typ="Refresh"),
    "a logout token": lambda world: world.idp.sign(payload_of(world.token()), {"typ": "logout+jwt"}),
    # Before the time is looked at:
    "expired, and not signed": lambda world: changed(world.token(), exp=1),
}
WRONG = {
    "expired": (lambda world: world.altered(exp=int(world.wall.now) - 61), EXPIRED),
    "not valid yet": (lambda world: world.altered(nbf=int(world.wall.now) + 61), EXPIRED),
    "expired, and by another issuer": (lambda world: world.altered(exp=1, iss="http://evil.example"), EXPIRED),
    "another issuer": (lambda world: world.altered(iss="http://evil.example"), ISSUER),
    "no issuer": (lambda world: world.altered(iss=None), ISSUER),
    "longer issuer": (lambda world: world.altered(iss=world.idp.issuer + "/"), ISSUER),
    "shorter issuer": (lambda world: world.altered(iss=world.idp.issuer[:-1]), ISSUER),
    "issuer in upper case": (lambda world: world.altered(iss=world.idp.issuer.upper()), ISSUER),
    "another issuer and audience": (lambda world: world.altered(iss="http://evil.example", aud="evil"), ISSUER),
    "another issuer, no audience": (lambda world: world.altered(iss="http://evil.example", aud=None), ISSUER),
    "another audience": (lambda world: world.altered(aud="evil"), AUDIENCE),
    "audience of others": (lambda world: world.altered(aud=["account", APP]), AUDIENCE),
    "audience of nobody": (lambda world: world.altered(aud=[]), AUDIENCE),
    "audience is empty": (lambda world: world.altered(aud=""), AUDIENCE),
    "audience with our name in it": (lambda world: world.altered(aud="bodhi2"), AUDIENCE),
    "audience in upper case": (lambda world: world.altered(aud=["BODHI"]), AUDIENCE),
    "issued to this server": (lambda world: world.token(client_id="bodhi"), INVALID),
    "issued to this server by its client_id": (lambda world: world.altered(client_id="bodhi"), INVALID),
    "issued to this server, for others as well": (
        lambda world: world.token(client_id="bodhi", audience=[APP, "bodhi", "account"]),
        INVALID,
    ),
    "issued to this server without azp": (lambda world: world.altered(azp=None, client_id="bodhi"), INVALID),
    "as it comes out of an exchange": (lambda world: world.exchanged(), INVALID),
    "issued to this server, for somebody else": (
        lambda world: world.token(client_id="bodhi", audience=[APP]),
        AUDIENCE,
    ),
    "two access requests": (lambda world: world.token(scope="scope_access_request:a scope_access_request:b"), INVALID),
    "the same access request twice": (
        lambda world: world.token(scope="scope_access_request:a scope_access_request:a"),
        INVALID,
    ),
}
CASES = (
    [(make, INVALID, name) for name, make in MALFORMED.items()]
    + [(make, NOT_GENUINE, name) for name, make in FORGED.items()]
    + [(make, expected, name) for name, (make, expected) in WRONG.items()]
)


async def test_invalid_tokens_are_refused_before_any_request(small_world):
    """Each by the first check that fails, none with a server error, and none is remembered."""
    answers = {name: await refused(small_world.apps.authenticate(make(small_world))) for make, _, name in CASES}

    assert {name: expected for _, expected, name in CASES} == answers
    assert (0, 0) == (small_world.exchanges, len(small_world.memory))
    assert {"discovery", "certs"} == set(small_world.idp.counts)


RIGHT = {
    "audience in a list": lambda world: world.token(),
    "audience alone": lambda world: world.altered(aud="bodhi"),
    "audience among others": lambda world: world.altered(aud=["account", "bodhi", "x"]),
    "expires now": lambda world: world.altered(exp=int(world.wall.now)),
    "valid from now on": lambda world: world.altered(nbf=int(world.wall.now)),
    "issued to another application, in both words": lambda world: world.altered(client_id=APP),
    "type in the header": lambda world: world.idp.sign(payload_of(world.token()), {"typ": "at+jwt"}),
    "addresses of keys that nobody looks at": lambda world: world.idp.sign(
        payload_of(world.token()), {"jku": "http://evil.example/keys"}
    ),
}


async def test_valid_tokens_are_accepted(small_world):
    """At the very borders, too."""
    answers = {name: await refused(small_world.apps.authenticate(make(small_world))) for name, make in RIGHT.items()}

    assert dict.fromkeys(RIGHT) == answers
    assert {"discovery", "certs", "exchange"} == set(small_world.idp.counts)


async def test_context_names_application_and_user(small_world):
    """From the exchanged token, except for which application it is."""
    token = small_world.token(scope=f"{SCOPE} scope_user_power_user")

    app = await small_world.apps.authenticate(token)

    person = small_world.idp.person("user")
    assert isinstance(app, ExternalApp)
    assert (person.user_id, "user", UserScope.POWER_USER, APP) == (
        app.user_id,
        app.username,
        app.role,
        app.app_client_id,
    )
    assert (person.given_name, person.family_name, None) == (app.first_name, app.last_name, app.access_request_id)
    assert (token, "bodhi") == (app.external_app_token, payload_of(app.token)["azp"])
    assert token not in repr(app)
    assert app.token not in repr(app)


async def test_token_without_a_user_scope_identifies_the_user(small_world):
    """And has no role."""
    app = await small_world.apps.authenticate(small_world.token(scope="openid email scope_token_admin"))

    assert (small_world.idp.person("user").user_id, None) == (app.user_id, app.role)


async def test_only_own_scopes_are_requested(small_world):
    """Beside those of a login."""
    await small_world.apps.authenticate(
        small_world.token(scope="offline_access scope_user_user other scope_token_admin xscope_user_admin")
    )

    [call] = [call for call in small_world.idp.calls if call.name == "exchange"]
    assert "scope_user_user openid email profile roles" == call.parameters["scope"]
    assert "bodhi" == call.parameters["audience"]


async def test_server_before_setup_refuses_external_app_tokens(small_world):
    """After the signature and the times, before the issuer."""
    apps = small_world.apps_with(is_set_up=False)
    tokens = [changed(small_world.token(), exp=1), small_world.altered(exp=1), small_world.altered(iss="x")]

    assert [NOT_GENUINE, EXPIRED, NO_INSTANCE] == [await refused(apps.authenticate(token)) for token in tokens]


async def test_removed_users_token_is_refused(world):
    """Whatever the provider says, and until they log in again."""
    user_id = world.idp.person("user").user_id
    await world.people.note(user_id, "user", None)
    await world.people.remove(user_id)

    assert (INVALID, 0) == (await refused(world.apps.authenticate(world.token())), world.exchanges)
    await world.people.note(user_id, "user", None)
    assert None is await refused(world.apps.authenticate(world.token()))


@pytest.mark.parametrize("role", [None, *Role])
async def test_application_is_limited_to_its_users_role(world, role):
    """By the role that was known last, at each of the four steps; without one it only learns who the user is."""
    await world.people.note(world.idp.person("user").user_id, "user", role)

    found = {}
    for scope in UserScope:
        found[scope] = (await world.apps.authenticate(world.token(scope=f"openid {scope}"))).role

    cap = dict(zip(Role, UserScope, strict=True)).get(role)
    expected = {scope: cap and min(scope, cap, key=lambda one: one.rank) for scope in UserScope}
    assert expected == found


async def test_unknown_user_gives_an_application_no_role(world):
    """However high the provider ranks them."""
    app = await world.apps.authenticate(world.token("admin", scope="openid scope_user_admin"))

    assert (world.idp.person("admin").user_id, None, "") == (app.user_id, app.role, app.token)


async def test_role_change_applies_to_the_next_request(world):
    """For exchanged tokens that are remembered, here and in other processes; and upwards as well as downwards."""
    user_id, token = world.idp.person("user").user_id, world.token(scope="openid scope_user_manager")
    nodes = [world.apps, world.apps_with(memory=TtlCache(seconds=MEMORY_SECONDS, clock=world.wall))]
    found = []
    for role in (Role.ADMIN, Role.USER, None, Role.POWER_USER, Role.MANAGER):
        await world.people.note(user_id, "user", role)
        found.append([(app.role, bool(app.token)) for app in [await node.authenticate(token) for node in nodes]])

    expected = [
        (UserScope.MANAGER, True),
        (UserScope.USER, False),
        (None, False),
        (UserScope.POWER_USER, False),
        (UserScope.MANAGER, True),
    ]
    assert [[one] * 2 for one in expected] == found
    assert 2 == world.exchanges


async def test_removed_user_is_refused_at_the_next_request(world):
    """In processes that remember them; and has no scope after another login, until somebody gives them a role."""
    user_id, token = world.idp.person("user").user_id, world.token()
    elsewhere = world.apps_with(memory=TtlCache(seconds=MEMORY_SECONDS, clock=world.wall))
    await elsewhere.authenticate(token)

    await world.people.remove(user_id)
    assert INVALID == await refused(elsewhere.authenticate(token))
    await world.people.note(user_id, "user", None)
    assert None is (await elsewhere.authenticate(token)).role


async def test_role_cap_can_be_disabled(world):
    """Where the settings leave it to it."""
    apps = world.apps_with(memory=TtlCache(seconds=MEMORY_SECONDS, clock=world.wall), caps_roles=False)
    await world.people.note(world.idp.person("user").user_id, "user", Role.USER)

    roles = {
        name: (await apps.authenticate(world.token(name, scope="scope_user_admin"))).role for name in ("user", "admin")
    }

    assert {"user": UserScope.ADMIN, "admin": UserScope.ADMIN} == roles


async def test_approved_access_request_is_accepted(world):
    """Its id is that of the request here."""
    request = await world.approved()

    app = await world.apps.authenticate(world.token(scope=f"{SCOPE} {request.access_request_scope}"))

    assert (request.id, UserScope.USER) == (app.access_request_id, app.role)


async def test_access_request_has_to_exist(world):
    """With exactly this scope."""
    request = await world.approved()

    for scope in ("scope_access_request:other", "scope_access_request:", request.access_request_scope[:-1]):
        answer = await refused(world.apps.authenticate(world.token(scope=f"{SCOPE} {scope}")))
        assert request_error("scope_not_found") == answer
    assert 0 == world.exchanges


async def test_access_request_has_to_be_approved(world):
    """Not denied, failed or withdrawn, and by somebody."""
    request = await world.approved()
    token = world.token(client_id="third-app", scope=request.access_request_scope)  # a later check would fail, too
    for change in ("status = 'withdrawn'", "status = 'denied'", "status = 'failed'", "status = 'draft'"):
        await change_row(world, change)
        assert request_error("not_approved") == await refused(world.apps.authenticate(token))

    await change_row(world, "status = 'approved', user_id = NULL")
    own = world.token(scope=request.access_request_scope)
    assert request_error("not_approved") == await refused(world.apps.authenticate(own))
    assert request_error("app_client_mismatch") == await refused(world.apps.authenticate(token))
    assert 0 == world.exchanges


async def test_access_request_has_to_be_that_of_the_application_and_the_person(world):
    """In this order."""
    request = await world.approved("manager")
    both = world.token(client_id="third-app", scope=request.access_request_scope)
    person = world.token(scope=request.access_request_scope)

    assert request_error("app_client_mismatch") == await refused(world.apps.authenticate(both))
    assert request_error("user_mismatch") == await refused(world.apps.authenticate(person))
    assert 0 == world.exchanges


async def test_exchanged_token_has_to_be_for_the_same_access_request(world):
    """Before it is looked at whose it is."""
    request = await world.approved()
    token = world.token(scope=request.access_request_scope)
    for claims in ({}, {"access_request_id": "other"}, {"access_request_id": request.access_request_scope}):
        world.answer_exchange_with(world.exchanged("admin", **claims))

        assert request_error("access_request_id_mismatch") == await refused(world.apps.authenticate(token))
    assert 0 == len(world.memory)


async def change_row(world, change):
    """Change the only app access request directly in the database."""
    await world.database.script(f"UPDATE bodhi_app_access_request SET {change}")
