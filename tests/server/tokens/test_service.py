import asyncio
import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta

import pytest

from bodhi.database import DatabaseUnavailable
from bodhi.errors import BodhiError
from bodhi.server.access.errors import api_error_of
from bodhi.server.access.principal import ANONYMOUS, ApiToken, ExternalApp, SessionUser
from bodhi.server.access.profiles import Profiles
from bodhi.server.access.scopes import Role, TokenScope, UserScope
from bodhi.server.tokens.service import LOOKUP_LENGTH, ApiTokens
from support.raw_database import RawDatabase

MINUTE = 60_000
ALICE = SessionUser("alice", "Alice", Role.POWER_USER, "access-token")
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"

DAY_MS = 86_400_000


class CountingDatabase:
    """A database that counts statements and can simulate an outage."""

    def __init__(self, database):
        self._database = database
        self.statements = 0
        self.is_away = False

    def __getattr__(self, name):
        self.statements += 1
        if self.is_away:
            raise DatabaseUnavailable
        return getattr(self._database, name)


class NoDatabase:
    """A database that must not be used."""

    class DatabaseUsed(Exception):
        """The database was used."""

    def __getattr__(self, name):
        raise self.DatabaseUsed


@pytest.fixture
def people(application, clock):
    """The stored profiles, on the same database."""
    return Profiles(application, clock=clock)


@pytest.fixture
def database(application):
    """The test's database, with a statement counter."""
    return CountingDatabase(application)


@pytest.fixture
def tokens(database, clock):
    """The service, with the test's clock."""
    return ApiTokens(database, clock=clock, wall_clock=lambda: clock.now_ms / 1000)


@pytest.fixture
async def token(tokens, people):
    """A token of Alice, who is a power user."""
    await people.note("alice", "Alice", Role.POWER_USER)
    return (await tokens.create(ALICE, scope=TokenScope.POWER_USER, name="for the printer")).token


@pytest.fixture
async def token_id(tokens, token):
    """The id of that token."""
    [record], _ = await tokens.list_of("alice", size=1)
    return record.id


async def refusal(awaitable):
    """Return the error code raised by *awaitable*."""
    with pytest.raises(BodhiError) as caught:
        await awaitable
    return api_error_of(caught.value).code


def with_another_rest(token):
    """Return another token with the lookup key of *token*."""
    return token[:-1] + ("A" if token[-1] != "A" else "B")


async def test_a_created_token_is_logged_with_its_owner(tokens, token, people, caplog):
    """Not with its secret."""
    caplog.set_level("INFO", "bodhi.server.tokens.service")

    made = await tokens.create(ALICE, scope=TokenScope.USER)

    (record,) = caplog.records
    assert f"api token created token_id={made.record.id} user_id=alice" == record.getMessage()
    assert {"token_id": made.record.id, "user_id": "alice"} == record.fields


async def test_a_token_works_while_its_owners_role_is_confirmed(tokens, token, people, clock):
    """Away for too long, they log in again."""
    clock.advance(29 * DAY_MS)
    assert "alice" == (await tokens.authenticate(token)).user_id
    clock.advance(DAY_MS)
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))

    await people.note("alice", "Alice", Role.POWER_USER)

    assert "alice" == (await tokens.authenticate(token)).user_id


async def test_role_max_age_is_configurable(database, token, people, clock):
    """From two hours on."""
    tokens = ApiTokens(database, role_max_age_seconds=7_200, clock=clock, wall_clock=lambda: clock.now_ms / 1000)
    clock.advance(7_199_999)
    assert "alice" == (await tokens.authenticate(token)).user_id
    clock.advance(10_001)

    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))


@pytest.mark.parametrize("loss", ["a role that is too low", "no role", "a removal"])
async def test_confirmed_loss_of_a_role_disables_tokens_at_once(tokens, token, people, loss):
    """Though the token is remembered here."""
    people.forget_user = (tokens.forget_owner,)
    await tokens.authenticate(token)

    if loss == "a removal":
        await people.remove("alice")
    else:
        await people.note("alice", "Alice", Role.USER if loss.startswith("a role") else None, is_login=False)

    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))


async def test_removed_user_cannot_create_a_token(tokens, people):
    """Their request was let in before."""
    await people.remove("alice")

    assert "auth_error-invalid_access" == await refusal(tokens.create(ALICE, scope=TokenScope.USER))


async def test_a_token_is_43_characters_behind_its_prefix(token):
    """32 random bytes, as base64url without padding."""
    assert re.fullmatch("bodhiapp_[A-Za-z0-9_-]{43}", token)


async def test_database_stores_only_the_hash(application, token, clock):
    """Of the token itself there are the 8 characters that it is looked up by."""
    row = await application.maybe("find_api_token", token_prefix=token[:LOOKUP_LENGTH], now=clock())
    [listed] = await application.many("list_api_tokens", user_id="alice", size=9, skip=0)
    stored = [str(value) for value in (*tuple(row), *tuple(listed))]

    assert [] == [text for text in stored if token[LOOKUP_LENGTH:][:8] in text]
    assert hmac.compare_digest(row["token_hash"], hashlib.sha256(token.encode()).hexdigest())


async def test_repr_shows_no_token(tokens):
    """Neither a new token nor a context."""
    new = await tokens.create(ALICE, scope=TokenScope.USER)

    assert new.token not in repr(new)
    assert new.token not in repr(ApiToken("alice", TokenScope.USER, new.token))


MADE, TOO_MUCH, NEVER = None, "api_token_error-privilege_escalation", "api_token_error-invalid_scope"
CREATIONS: dict[tuple[Role | None, TokenScope], str | None] = {
    (None, TokenScope.USER): MADE,
    (None, TokenScope.POWER_USER): TOO_MUCH,
    (Role.USER, TokenScope.USER): MADE,
    (Role.USER, TokenScope.POWER_USER): TOO_MUCH,
    (Role.USER, TokenScope.MANAGER): TOO_MUCH,
    (Role.USER, TokenScope.ADMIN): TOO_MUCH,
    **{
        (role, scope): MADE if scope.rank <= 2 else NEVER
        for role in (Role.POWER_USER, Role.MANAGER, Role.ADMIN)
        for scope in TokenScope
    },
}


@pytest.mark.parametrize(("role", "scope"), CREATIONS, ids=str)
async def test_granting_more_than_ones_own_role_is_refused(role, scope):
    """And nobody a token of managers or administrators."""
    tokens = ApiTokens(NoDatabase())
    owner = SessionUser("alice", "Alice", role, "access-token")

    if CREATIONS[role, scope] is MADE:
        with pytest.raises(NoDatabase.DatabaseUsed):
            await tokens.create(owner, scope=scope)
    else:
        assert CREATIONS[role, scope] == await refusal(tokens.create(owner, scope=scope))


@pytest.mark.parametrize(
    "context",
    [
        ANONYMOUS,
        ApiToken("alice", TokenScope.POWER_USER, "token"),
        ExternalApp("alice", "Alice", UserScope.ADMIN, "token", "token", "app"),
    ],
    ids=lambda context: context.type,
)
async def test_creating_tokens_requires_a_session(context):
    """Else a token could make itself a successor."""
    assert "api_token_error-access_token_missing" == await refusal(
        ApiTokens(NoDatabase()).create(context, scope=TokenScope.USER)
    )


async def test_lookup_key_collision_is_retried(tokens, token, people, monkeypatch):
    """Another token is made in its place."""
    random_parts = [token[9:], with_another_rest(token)[9:], "x" * 43]
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: random_parts.pop(0))

    assert "bodhiapp_" + "x" * 43 == (await tokens.create(ALICE, scope=TokenScope.USER)).token


async def test_concurrently_created_tokens_all_exist(tokens):
    """Twenty submits of one form are twenty tokens."""
    made = await asyncio.gather(*(tokens.create(ALICE, scope=TokenScope.USER) for _ in range(20)))

    assert 20 == len({new.token for new in made})
    assert 20 == (await tokens.list_of("alice", size=1))[1]


async def test_tokens_are_listed_newest_first(tokens, clock):
    """Those of one millisecond in their order as well; a page at a time, with their number in all."""
    for name in "abcde":
        clock.advance(1 if name != "c" else 0)
        await tokens.create(ALICE, scope=TokenScope.USER, name=name)
    await tokens.create(SessionUser("bob", "Bob", Role.ADMIN, "t"), scope=TokenScope.USER, name="other")

    first, total = await tokens.list_of("alice", size=2)
    second, _ = await tokens.list_of("alice", size=2, skip=2)
    beyond, total_beyond = await tokens.list_of("alice", size=2, skip=100)

    assert (["e", "d"], ["c", "b"], []) == tuple([one.name for one in page] for page in (first, second, beyond))
    assert (5, 5) == (total, total_beyond)


async def test_token_authenticates_as_its_owner(tokens, token):
    """With the scope that it was made with."""
    assert ApiToken("alice", TokenScope.POWER_USER, token) == await tokens.authenticate(token)


@pytest.mark.parametrize(
    "presented",
    [
        "bodhiapp_",
        "bodhiapp_short",
        "bodhiapp_" + "x" * 42,
        "bodhiapp_" + "x" * 44,
        "bodhiapp_" + "x" * 43 + "\n",
        "bodhiapp_" + "é" * 43,
        "bodhiapp_" + "\udcff" * 43,
        "bodhiapp_" + "\0" * 43,
        "bodhiapp_" + "x" * 42 + "=",
        "bodhiapp_" + "x" * 100_000,
        "BODHIAPP_" + "x" * 43,
        "",
    ],
    ids=lambda text: text[:20].encode(errors="replace"),
)
async def test_malformed_token_causes_no_query(presented):
    """Nothing that is not 43 characters of base64url has the hash of a token."""
    assert "token_error-invalid_token" == await refusal(ApiTokens(NoDatabase()).authenticate(presented))


async def test_wrong_token_gets_a_generic_error(tokens, token, token_id):
    """Unknown, wrong and, of an inactive token, wrong are one and the same answer."""
    unknown = "bodhiapp_" + "x" * 43
    answers = [await refusal(tokens.authenticate(one)) for one in (unknown, with_another_rest(token))]
    await tokens.update(token_id, user_id="alice", name="", status="inactive")
    answers.append(await refusal(tokens.authenticate(with_another_rest(token))))

    assert ["token_error-invalid_token"] * 3 == answers


async def test_genuine_inactive_token_gets_its_own_error(tokens, token, token_id):
    """And it works again once it is active again."""
    await tokens.update(token_id, user_id="alice", name="", status="inactive")
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))

    await tokens.update(token_id, user_id="alice", name="", status="active")
    assert await tokens.authenticate(token)


async def test_hash_is_compared_first_in_constant_time(tokens, token, token_id, monkeypatch):
    """As bytes: compare_digest takes texts of ASCII alone. It is called for tokens that do not exist, too."""
    compared = []

    def compare(one, other):
        compared.append((type(one), len(one), type(other), len(other)))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    await tokens.update(token_id, user_id="alice", name="", status="inactive")
    for presented in (token, with_another_rest(token), "bodhiapp_" + "x" * 43):
        await refusal(tokens.authenticate(presented))

    assert [(bytes, 64, bytes, 64)] * 3 == compared


async def test_a_token_expires(tokens, token, clock):
    """In the millisecond that was said, remembered or not."""
    made_at = datetime.fromtimestamp(clock.now_ms / 1000, UTC)
    short = (await tokens.create(ALICE, scope=TokenScope.USER, expires_at=made_at + timedelta(seconds=5))).token

    clock.advance(4_999)
    assert await tokens.authenticate(short)
    clock.advance(1)
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(short))
    assert await tokens.authenticate(token)


async def test_tokens_live_as_long_as_is_configured(tokens, clock, people):
    """Unless their maker says something else; what was made before keeps its time."""
    await people.note("alice", "Alice", Role.POWER_USER)
    endless = await tokens.create(ALICE, scope=TokenScope.USER)
    tokens.default_lifetime_seconds = 60
    usual = await tokens.create(ALICE, scope=TokenScope.USER)
    said = await tokens.create(ALICE, scope=TokenScope.USER, expires_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))

    assert (None, timedelta(minutes=1), 9999) == (
        endless.record.expires_at,
        usual.record.expires_at - usual.record.created_at,
        said.record.expires_at.year,
    )


@pytest.mark.parametrize("seconds", [0, -1, -1e9])
async def test_expiry_in_the_past_is_refused(tokens, clock, seconds):
    """By the clock of the database."""
    at = datetime.fromtimestamp(clock.now_ms / 1000 + seconds, UTC)

    assert "json_rejection_error" == await refusal(tokens.create(ALICE, scope=TokenScope.USER, expires_at=at))


async def test_the_owner_needs_the_role_that_the_token_is_for(tokens, token, people):
    """Their last known one: a token is never more than its owner is now."""
    inactive = "auth_error-token_inactive"
    tokens.memory_seconds = 0

    await people.note("alice", "Alice", Role.USER)
    assert inactive == await refusal(tokens.authenticate(token))
    await people.note("alice", "Alice", None)
    assert inactive == await refusal(tokens.authenticate(token))
    await people.note("alice", "Alice", Role.MANAGER)
    assert await tokens.authenticate(token)
    await people.remove("alice")
    assert inactive == await refusal(tokens.authenticate(token))


async def test_unknown_owner_has_no_role(tokens):
    """Nor has one with a role that this version does not know."""
    token = (await tokens.create(ALICE, scope=TokenScope.USER)).token
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE bodhi_person SET role = 'resource_superhero'", "auth_error-token_inactive"),
        ("UPDATE bodhi_api_token SET scopes = 'scope_token_superhero'", "token_error-invalid_token"),
    ],
    ids=["role", "scope"],
)
async def test_unknown_role_and_scope_names_grant_nothing(tokens, token, application, change, code):
    """Another version may have stored them."""
    await application.script(change)

    assert code == await refusal(tokens.authenticate(token))


async def test_verification_needs_one_statement(database, tokens, token, clock):
    """And none does while it is remembered. Its use is recorded by a second one, once in five minutes."""
    before = database.statements
    await tokens.authenticate(token)
    assert 2 == database.statements - before

    await asyncio.gather(*(tokens.authenticate(token) for _ in range(50)))
    assert 2 == database.statements - before
    clock.advance(10_001)
    await asyncio.gather(*(tokens.authenticate(token) for _ in range(50)))
    assert 3 == database.statements - before


async def test_changes_by_other_processes_apply_within_the_cache_lifetime(application, tokens, token, token_id, clock):
    """Within memory_seconds, for they share no memory."""
    other = ApiTokens(application, clock=clock)
    assert await tokens.authenticate(token)
    await other.update(token_id, user_id="alice", name="", status="inactive")

    clock.advance(9_999)
    assert await tokens.authenticate(token)
    clock.advance(1)
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))


async def test_change_in_this_process_applies_at_once(tokens, token, token_id):
    """Whatever was remembered: an update, a deletion, the end of all of a user's tokens."""
    assert await tokens.authenticate(token)
    await tokens.update(token_id, user_id="alice", name="", status="inactive")
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))

    await tokens.update(token_id, user_id="alice", name="", status="active")
    assert await tokens.authenticate(token)
    await tokens.delete(token_id, user_id="alice")
    assert "token_error-invalid_token" == await refusal(tokens.authenticate(token))


async def test_a_users_tokens_are_disabled_together(tokens, token, people):
    """Those of others are not; how many were active is told."""
    await people.note("bob", "Bob", Role.POWER_USER)
    bobs = (await tokens.create(SessionUser("bob", "Bob", Role.POWER_USER, "t"), scope=TokenScope.USER)).token
    await tokens.create(ALICE, scope=TokenScope.USER)
    assert await tokens.authenticate(token)

    assert 2 == await tokens.disable_tokens_of("alice")
    assert 0 == await tokens.disable_tokens_of("alice")

    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))
    assert await tokens.authenticate(bobs)


async def _disable_all(tokens, _):
    await tokens.disable_tokens_of("alice")


@pytest.mark.parametrize(
    ("disable", "is_final"),
    [
        (lambda tokens, token_id: tokens.disable(token_id, user_id="alice", by="alice"), False),
        (lambda tokens, token_id: tokens.disable(token_id, user_id="alice", by="root"), True),
        (lambda tokens, token_id: tokens.disable(token_id), True),
        (_disable_all, True),
    ],
    ids=["its owner", "an administrator", "the command line", "with all of them"],
)
async def test_owner_cannot_enable_a_token_disabled_by_others(tokens, token, token_id, disable, is_final):
    """It has expired, too, and no change of an owner's touches that."""
    await disable(tokens, token_id)
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))

    await tokens.update(token_id, user_id="alice", name="", status="active")

    if is_final:
        assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))
    else:
        assert await tokens.authenticate(token)


async def used_at(tokens):
    """Return when Alice's token was last used."""
    [record], _ = await tokens.list_of("alice", size=1)
    return record.last_used_at


async def test_use_of_a_token_is_recorded_once_in_five_minutes(tokens, token, database, clock):
    """Not with each request, nor with each that is not remembered."""
    tokens.memory_seconds = 0
    first = clock.now_ms
    assert await used_at(tokens) is None
    for _ in range(3):
        await tokens.authenticate(token)
    assert datetime.fromtimestamp(first / 1000, UTC) == await used_at(tokens)

    clock.advance(5 * MINUTE - 1)
    database.statements = 0
    await tokens.authenticate(token)
    assert 1 == database.statements
    assert datetime.fromtimestamp(first / 1000, UTC) == await used_at(tokens)
    clock.advance(1)
    await tokens.authenticate(token)

    assert datetime.fromtimestamp(first / 1000, UTC) + timedelta(minutes=5) == await used_at(tokens)


async def test_processes_record_the_use_of_a_token_once(tokens, token, application, clock):
    """Those that read it before another one wrote."""
    row = await application.maybe("find_api_token", token_prefix=token[:LOOKUP_LENGTH], now=clock())

    assert [1, 0] == [
        await application.count("note_api_token_use", id=row["id"], interval_ms=5 * MINUTE, now=clock())
        for _ in range(2)
    ]


async def test_refused_token_is_not_used(tokens, token, token_id, clock):
    """Whoever tries a token in vain leaves no trace on it."""
    await tokens.disable(token_id, user_id="alice", by="alice")

    for refused in (token, with_another_rest(token)):
        await refusal(tokens.authenticate(refused))

    assert await used_at(tokens) is None


async def test_token_is_accepted_though_its_use_cannot_be_recorded(tokens, token, application, caplog, monkeypatch):
    """As on a server whose database is read only for a moment; the log says so."""
    count = application.count

    async def fails(name, **values):
        if name == "note_api_token_use":
            raise DatabaseUnavailable
        return await count(name, **values)

    monkeypatch.setattr(application, "count", fails)

    assert "alice" == (await tokens.authenticate(token)).user_id

    assert await used_at(tokens) is None
    assert "api token use not recorded token_id=" in caplog.text
    assert token not in caplog.text


async def test_change_leaves_what_it_does_not_name(tokens, token, token_id):
    """A new name and a new status, each for itself."""
    await tokens.update(token_id, user_id="alice", status="inactive")
    renamed = await tokens.update(token_id, user_id="alice", name="new")
    assert ("new", "inactive") == (renamed.name, renamed.status)
    again = await tokens.update(token_id, user_id="alice", status="active")
    assert ("new", "active") == (again.name, again.status)


async def test_nodes_of_the_previous_version_keep_the_last_use(tokens, token, token_id, application):
    """They change tokens, and make others, without the column."""
    await tokens.authenticate(token)
    used = await used_at(tokens)

    await application.script(f"UPDATE bodhi_api_token SET name = 'x', status = 'active' WHERE id = '{token_id}'")

    assert used is not None
    assert used == await used_at(tokens)


async def test_role_change_drops_cached_tokens(tokens, token, people):
    """As soon as somebody says that it changed."""
    assert await tokens.authenticate(token)
    await people.set_role("alice", Role.USER)
    assert await tokens.authenticate(token)

    tokens.forget_owner("alice")
    assert "auth_error-token_inactive" == await refusal(tokens.authenticate(token))


async def test_owner_changes_a_token(tokens, token_id, clock):
    """Name and status, and when it was."""
    clock.advance(MINUTE)

    changed = await tokens.update(token_id, user_id="alice", name="old printer", status="inactive")

    assert ("old printer", "inactive") == (changed.name, changed.status)
    assert timedelta(minutes=1) == changed.updated_at - changed.created_at


@pytest.mark.parametrize("user_id", ["alice", "bob"])
async def test_another_token_reads_as_unknown(tokens, token, token_id, user_id):
    """Somebody else's as well as one that never was; nothing happens to it."""
    wanted = token_id if user_id == "bob" else UNKNOWN_ID

    update = tokens.update(wanted, user_id=user_id, name="mine", status="inactive")
    assert "entity_error-not_found" == await refusal(update)
    assert "entity_error-not_found" == await refusal(tokens.delete(wanted, user_id=user_id))

    [kept], _ = await tokens.list_of("alice", size=9)
    assert ("for the printer", "active") == (kept.name, kept.status)


async def test_a_deleted_token_is_deleted_once(tokens, token, token_id):
    """Of two submits at once one finds it."""
    outcomes = await asyncio.gather(
        *(tokens.delete(token_id, user_id="alice") for _ in range(2)), return_exceptions=True
    )

    assert [None] == [outcome for outcome in outcomes if outcome is None]
    assert ([], 0) == await tokens.list_of("alice", size=9)


async def test_outage_is_not_an_invalid_token(database, tokens, token):
    """Nor is it remembered as one."""
    database.is_away = True
    assert "auth_error-database_unavailable" == await refusal(tokens.authenticate(token))
    assert "auth_error-database_unavailable" == await refusal(tokens.create(ALICE, scope=TokenScope.USER))
    assert "auth_error-database_unavailable" == await refusal(tokens.list_of("alice", size=1))
    assert "auth_error-database_unavailable" == await refusal(tokens.disable_tokens_of("alice"))

    database.is_away = False
    assert await tokens.authenticate(token)


async def test_removal_disables_a_token_being_created(application, database_url, dialect, people):
    """It waits for what let the owner in before."""
    await people.note(ALICE.user_id, "alice", ALICE.role)
    values: dict[str, str | None] = {
        "id": UNKNOWN_ID,
        "user_id": ALICE.user_id,
        "name": "",
        "token_prefix": "bodhiapp_12345678",
    }
    values |= {"token_hash": "x", "scopes": "scope_token_user", "expires_at": None, "lifetime_ms": None, "now": None}

    async def remove():
        await people.remove(ALICE.user_id)
        await ApiTokens(application).disable_tokens_of(ALICE.user_id)

    async with application.transaction() as transaction:
        assert await transaction.maybe("create_api_token", **values)
        removal = asyncio.create_task(remove())
        async with RawDatabase(database_url) as raw:
            # In SQLite there is one writer at a time.
            while dialect == "postgres" and not (removal.done() or await raw.rows(WAITING)):
                await asyncio.sleep(0)
    await removal

    (token,), _ = await ApiTokens(application).list_of(ALICE.user_id, size=9)
    assert "inactive" == token.status


WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
