"""Requests that interleave, against a model: whatever the order, the service does what a dict would do."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from bodhi.database import Schema, open_database
from bodhi.session import DefaultSessionService, SessionGone, manager
from bodhi.session.changes import StoredSession
from bodhi.session.handles import digest_of, handle_of
from bodhi.session.sql_store import open_store
from conformance.session_model import CAP, IDLE_MS, LIFETIME_MS, TOUCH_MS, Model

USERS = ("ann", "bob")
KEYS = ("a", "b")
CROWD = 3  # requests at once
DEADLINE_SECONDS = 300

values = st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
contents = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(KEYS, values), "user_id": st.sampled_from(USERS)}
).filter(bool)
changes = st.tuples(st.sampled_from(KEYS), values | st.none()) | st.tuples(
    st.just("user_id"), st.sampled_from(USERS) | st.none()
)
users = st.sampled_from(USERS)
crowds = st.lists(st.integers(0, 3), min_size=1, max_size=CROWD)
pauses = st.sampled_from([0, 1, TOUCH_MS - 1, TOUCH_MS, 2 * TOUCH_MS])
places = st.integers(0, CROWD)


class Request:
    """A request that has loaded a session and holds it."""

    def __init__(self, session_id: str, opened: StoredSession) -> None:
        self.session_id = session_id
        self.goes_on_from(opened)

    def goes_on_from(self, opened: StoredSession) -> None:
        self.opened = opened
        self.base = deepcopy(opened.data)

    def change(self, key: str, value: Any) -> None:
        if value is None:
            self.opened.data.pop(key, None)
        else:
            self.opened.data[key] = value

    @property
    def data(self) -> dict[str, Any]:
        return self.opened.data


class World:
    """A service on an empty database, on a loop of its own, with nothing running in the background."""

    def __init__(self, url: str) -> None:
        self.model = Model()
        self.runner = asyncio.Runner()
        self.database = open_database(url, synchronous="normal")
        store = open_store(self.database, clock=lambda: self.model.now)
        self.service = DefaultSessionService(
            store,
            keys=["a key for tests, of at least thirty-two characters"],
            idle_seconds=IDLE_MS // 1000,
            lifetime_seconds=LIFETIME_MS // 1000,
            touch_seconds=TOUCH_MS // 1000,
            max_per_user=CAP,
        )
        self._ids = 0

    def run(self, coroutine: Any) -> Any:
        return self.runner.get_loop().run_until_complete(coroutine)

    def open(self) -> None:
        self.run(self.database.__aenter__())
        self.run(Schema(self.database, "session").migrate())

    def close(self) -> None:
        self.run(self.database.__aexit__(None, None, None))
        self.runner.close()

    def begin(self) -> None:
        """Empties the database; ids start anew, so that an example does the same when it is tried again."""
        self.run(self.service.clear_all_sessions())
        self.run(self.service.flush())
        self.model = Model()
        self._ids = 0

    def new_session_id(self) -> str:
        self._ids += 1
        return _session_id(self._ids)

    def ids_so_far(self) -> list[str]:
        """Every id that was given to a browser, or tried."""
        return [_session_id(number) for number in range(1, self._ids + 1)]


@pytest.fixture
def world(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world of one run of the machine."""
    world = World(database_url)
    monkeypatch.setattr(manager, "new_session_id", world.new_session_id)
    world.open()
    yield world
    world.close()


class Sessions(RuleBasedStateMachine):
    """Browsers hold ids, requests hold what they loaded, and both go on when the session is long gone.

    Few rules with many ways each: hypothesis leaves out some of the rules in every example.
    """

    ids = Bundle("ids")
    requests = Bundle("requests")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.service = world.service
        self.run = world.run

    @property
    def model(self) -> Model:
        return self.world.model

    @initialize(target=ids, contents=st.lists(contents, min_size=3, max_size=5))
    def begin(self, contents: list[dict[str, Any]]) -> Any:
        self.world.begin()
        return multiple(*[self.create(data, milliseconds=1) for data in contents])

    # What requests do.

    @rule(target=ids, data=contents, milliseconds=st.sampled_from([0, 1, TOUCH_MS]))
    def create(self, data: dict[str, Any], milliseconds: int) -> str:
        self.model.now += milliseconds
        session_id, _ = self.run(self.service.create(deepcopy(data)))
        self.model.create(session_id, data)
        return str(session_id)

    @rule(target=ids, data=contents, old=ids, must=st.booleans())
    def replace(self, data: dict[str, Any], old: str, must: bool) -> Any:
        creation = self.service.create(deepcopy(data), replaces=digest_of(old), must_replace=must)
        if must and self.model.live(old) is None:
            return self._assert_gone(creation)
        session_id, _ = self.run(creation)
        if self.model.live(old) is not None:  # one that has expired is left to the sweep
            self.model.delete(old)
        self.model.create(session_id, data)
        return str(session_id)

    @rule(target=requests, session_id=ids)
    def load(self, session_id: str) -> Any:
        opened = self.run(self.service.load(session_id))
        assert self.model.load(session_id) == (None if opened is None else opened.data)
        return multiple() if opened is None else Request(session_id, opened)

    @rule(session_id=ids, one=changes, other=changes)
    def save_in_two_tabs(self, session_id: str, one: tuple[str, Any], other: tuple[str, Any]) -> None:
        tabs = [self.load(session_id), self.load(session_id)]
        if self.model.live(session_id) is not None:
            self.save(tabs[0], one)
            self.save(tabs[1], other)

    @rule(request=requests, change=changes)
    def save(self, request: Request, change: tuple[str, Any]) -> None:
        self._save(request, change)

    @rule(request=requests, change=changes, seconds=st.sampled_from([None, 600, 2 * LIFETIME_MS // 1000]))
    def save_with_max_age(self, request: Request, change: tuple[str, Any], seconds: int | None) -> None:
        self._save(request, change, ages=True, max_age_seconds=seconds)

    def _save(self, request: Request, change: tuple[str, Any], **ages: Any) -> None:
        request.change(*change)
        saving = self.service.save(request.opened, request.data, **ages)
        expected = self.model.save(request.session_id, request.base, request.data)
        if expected is None:
            self._assert_gone(saving)
            return
        if ages:
            self.model.limit(request.session_id, ages["max_age_seconds"])
        stored = self.run(saving)
        assert expected == ({} if stored is None else stored.data)
        if stored is not None:
            request.goes_on_from(stored)

    @rule(target=ids, request=consumes(requests), change=changes, renewed=st.booleans())
    def rotate(self, request: Request, change: tuple[str, Any], renewed: bool) -> Any:
        request.change(*change)
        mine = deepcopy(request.data)
        rotation = self.service.rotate(request.opened, request.data, renewed=renewed)
        if self.model.live(request.session_id) is None:
            return self._assert_gone(rotation)
        session_id, stored = self.run(rotation)
        expected = self.model.rotate(request.session_id, session_id, request.base, mine, renewed=renewed)
        assert expected == stored.data
        return session_id

    def _assert_gone(self, call: Coroutine[Any, Any, Any]) -> Any:
        with pytest.raises(SessionGone):
            self.run(call)
        return multiple()

    # Several requests of one session at the same moment, each with a key of its own.

    @rule(session_id=ids, numbers=crowds)
    def save_at_once(self, session_id: str, numbers: list[int]) -> None:
        requests = self._crowd(session_id, numbers)
        for answer in self._saved(requests, self.run(_gathered(self._saves(requests)))):
            assert isinstance(answer, StoredSession), repr(answer)

    @rule(session_id=ids, numbers=crowds, place=places)
    def save_while_the_session_ends(self, session_id: str, numbers: list[int], place: int) -> None:
        requests = self._crowd(session_id, numbers)
        calls = self._saves(requests)
        calls.insert(place, self.service.delete(digest_of(session_id)))
        answers = self.run(_gathered(calls))
        deleted = answers.pop(min(place, len(requests)))
        self._saved(requests, answers)
        assert self.model.delete(session_id) is deleted

    @rule(target=ids, session_id=ids, numbers=crowds, place=places)
    def save_while_the_session_rotates(self, session_id: str, numbers: list[int], place: int) -> Any:
        requests = self._crowd(session_id, numbers)
        if not requests:
            return multiple()
        rotating = self.load(session_id)
        calls = self._saves(requests)
        calls.insert(place, self.service.rotate(rotating.opened, deepcopy(rotating.base)))
        answers = self.run(_gathered(calls))
        new_id, stored = answers.pop(min(place, len(requests)))
        self._saved(requests, answers)
        assert self.model.rotate(session_id, new_id, rotating.base, rotating.base, renewed=False) == stored.data
        return new_id

    def _crowd(self, session_id: str, numbers: list[int]) -> list[Request]:
        """Requests that have loaded the session, if it lives, and changed a key each."""
        requests: list[Any] = [self.load(session_id) for _ in numbers]  # rules return what hypothesis makes of it
        if self.model.live(session_id) is None:
            return []
        for request, key, number in zip(requests, "xyz", numbers, strict=False):
            request.change(key, number)
        return requests

    def _saves(self, requests: list[Request]) -> list[Coroutine[Any, Any, Any]]:
        return [self.service.save(request.opened, request.data) for request in requests]

    def _saved(self, requests: list[Request], answers: list[Any]) -> list[Any]:
        """Puts into the model what was saved: all but what came after the session ended or moved."""
        for request, answer in zip(requests, answers, strict=True):
            if not isinstance(answer, SessionGone):
                assert isinstance(answer, StoredSession), repr(answer)
                self.model.save(request.session_id, request.base, request.data)
        return answers

    # What users and operators do.

    @rule(
        session_id=ids,
        user_id=users,
        how=st.sampled_from(["log out", "revoke", "revoke own", "revoke own", "others", "user", "all"]),
    )
    def end(self, session_id: str, user_id: str, how: str) -> None:
        service, model, handle = self.service, self.model, handle_of(digest_of(session_id))
        match how:
            case "log out":
                assert model.delete(session_id) == self.run(service.delete(digest_of(session_id)))
            case "revoke":
                assert model.delete(session_id) == self.run(service.revoke_session(handle))
            case "revoke own":
                expected = model.owner(session_id) == user_id and model.delete(session_id)
                assert expected == self.run(service.revoke_session(handle, user_id=user_id))
            case "others":
                assert model.clear(user_id, keep=handle) == self.run(service.revoke_other_sessions(user_id, handle))
            case "user":
                assert model.clear(user_id) == self.run(service.clear_sessions_for_user(user_id))
            case "all":
                assert model.clear(None) == self.run(service.clear_all_sessions())

    # What happens by itself.

    @rule(target=requests, session_id=ids, milliseconds=pauses, is_written=st.booleans())
    def come_back_later(self, session_id: str, milliseconds: int, is_written: bool) -> Any:
        self.model.now += milliseconds
        request = self.load(session_id)
        if is_written:
            self.flush_or_sweep(sweeps=False)
        return request

    @rule(session_id=ids, milliseconds=st.sampled_from([-1, 0]))
    def come_to_the_expiry(self, session_id: str, milliseconds: int) -> None:
        row = self.model.live(session_id)
        if row is not None:
            self.model.now = max(self.model.now, row.expires_at + milliseconds)

    @rule(sweeps=st.booleans())
    def flush_or_sweep(self, sweeps: bool) -> None:
        if sweeps:
            assert self.model.sweep() == self.run(self.service.sweep())
        else:
            assert self.model.flush() == self.run(self.service.flush())

    # What holds whenever one looks.

    @invariant()
    def the_live_sessions_are_those_of_the_model(self) -> None:
        """Nothing came back, old ids are dead, each session belongs to whom it should, and counts are exact."""
        service, model = self.service, self.model
        listed, *counts = self.run(
            _gathered(
                [
                    _listed(service.dump_all_sessions()),
                    service.count_sessions(),
                    *map(service.count_sessions_for_user, USERS),
                ]
            )
        )
        assert {handle_of(row.digest): row.user_id for row in model.all_live()} == dict(listed)
        assert [len(model.all_live(user_id)) for user_id in (None, *USERS)] == counts

    def teardown(self) -> None:
        """In the end every browser is asked once more."""
        for session_id in self.world.ids_so_far():
            expected = self.model.load(session_id)
            opened = self.run(self.service.load(session_id))
            assert expected == (None if opened is None else opened.data)


def test_sessions_follow_the_model(world: World) -> None:
    """No resurrection, no lost update, exact expiry and exact counts, in whatever order things happen."""
    run_state_machine_as_test(
        lambda: Sessions(world),
        settings=settings(
            max_examples=50,  # as many again on the other database; each goes its own way in every run
            stateful_step_count=30,
            # No shrinking: it may take longer than a test is given. Add it to look into a failure.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


async def _gathered(calls: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await asyncio.gather(*calls, return_exceptions=True)


async def _listed(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def _session_id(number: int) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(b"%d" % number).digest()).rstrip(b"=").decode()
