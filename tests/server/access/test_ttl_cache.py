import asyncio
import hashlib
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodhi.server.access.ttl_cache import TtlCache
from oidc.tokens import NOW, Clock

SECONDS = 300


class Maker:
    """Computes values, and waits until a test releases them."""

    def __init__(self, expires_at=math.inf, error=None):
        self.made = 0
        self.expires_at = expires_at
        self.error = error
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.made += 1
        number = self.made
        await self.gate.wait()
        if self.error:
            raise self.error
        return f"value {number}", self.expires_at


@pytest.fixture
def clock():
    """The clock of the cache, in seconds."""
    return Clock()


@pytest.fixture
def memory(clock):
    """A cache of ten entries with five minutes' lifetime."""
    return TtlCache(seconds=SECONDS, max_entries=10, clock=clock)


async def test_value_is_computed_once(memory):
    """SR-39: the second finds it."""
    make = Maker()

    assert ["value 1"] * 3 == [await memory.get_or_create("token", make) for _ in range(3)]
    assert 1 == make.made


async def test_cached_value_is_found_until_it_expires(memory, clock):
    """Looking makes nothing; a hit counts, and a token that is not cached is no miss yet."""
    assert memory.get("token") is None
    await memory.get_or_create("token", Maker(expires_at=NOW + 10))

    assert ("value 1", None) == (memory.get("token"), memory.get("other"))
    clock.now += 10
    assert memory.get("token") is None
    assert (1, 1) == (memory.hits, memory.misses)


async def test_fifty_concurrent_misses_compute_the_value_once(memory):
    """SR-39 (f): one exchange."""
    make = Maker()

    values = await asyncio.gather(*(memory.get_or_create("token", make) for _ in range(50)))

    assert ["value 1"] * 50 == values
    assert 1 == make.made


async def test_different_tokens_do_not_wait_for_each_other(memory):
    """One that hangs holds nobody else up."""
    slow, fast = Maker(), Maker()
    slow.gate.clear()
    waiting = asyncio.create_task(memory.get_or_create("slow", slow))
    await asyncio.sleep(0)

    assert "value 1" == await memory.get_or_create("fast", fast)
    slow.gate.set()
    await waiting


async def test_cancelled_caller_does_not_cancel_the_computation(memory):
    """The cancellation of whoever asked first, or of all, leaves the making be."""
    make = Maker()
    make.gate.clear()
    first, second = (asyncio.create_task(memory.get_or_create("token", make)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    make.gate.set()

    assert "value 1" == await second
    assert first.cancelled()
    assert 1 == make.made


async def test_failure_reaches_all_waiters_and_is_not_cached(memory):
    """SR-39 (g): the next one tries anew."""
    make = Maker(error=ValueError("no"))

    failures = await asyncio.gather(*(memory.get_or_create("token", make) for _ in range(5)), return_exceptions=True)
    make.error = None

    assert [ValueError] * 5 == [type(failure) for failure in failures]
    assert 0 == len(memory)
    assert "value 2" == await memory.get_or_create("token", make)


@pytest.mark.parametrize(("expires_in", "lives"), [(10, 10), (math.inf, SECONDS), (SECONDS + 1, SECONDS), (0.5, 0.5)])
async def test_entry_expires_at_the_earliest_limit(memory, clock, expires_in, lives):
    """SR-39 (c): what the maker says, or the short limit."""
    make = Maker(expires_at=NOW + expires_in)
    await memory.get_or_create("token", make)

    clock.now = NOW + lives - 0.25
    assert "value 1" == await memory.get_or_create("token", make)
    clock.now = NOW + lives
    assert "value 2" == await memory.get_or_create("token", make)


@pytest.mark.parametrize("expires_in", [0, -1])
async def test_expired_value_is_not_cached(memory, expires_in):
    """The value is given to whoever asked."""
    make = Maker(expires_at=NOW + expires_in)

    assert "value 1" == await memory.get_or_create("token", make)
    assert 0 == len(memory)


@pytest.mark.parametrize("limits", [{"seconds": 0}, {"seconds": 1, "max_entries": 0}])
async def test_cache_can_be_disabled(clock, limits):
    """Nothing is kept; those who ask together still share."""
    memory = TtlCache(clock=clock, **limits)
    make = Maker()

    await asyncio.gather(*(memory.get_or_create("token", make) for _ in range(5)))
    await memory.get_or_create("token", make)

    assert 2 == make.made
    assert 0 == len(memory)


async def test_oldest_entry_is_evicted_first(memory):
    """SR-39 (d): as many entries as allowed, however many tokens come."""
    make = Maker()
    for number in range(1000):
        await memory.get_or_create(f"token {number}", make)
    assert 10 == len(memory)

    await memory.get_or_create("token 999", make)
    await memory.get_or_create("token 990", make)
    assert 1000 == make.made
    await memory.get_or_create("token 989", make)
    assert 1001 == make.made


async def test_recomputed_entry_is_newest(memory, clock):
    """Its age counts from then."""
    short, make = Maker(expires_at=NOW + 1), Maker()
    await memory.get_or_create("token 0", short)
    for number in range(1, 9):
        await memory.get_or_create(f"token {number}", make)
    clock.now += 1
    await memory.get_or_create("token 0", make)
    for number in range(9, 11):
        await memory.get_or_create(f"token {number}", make)
    made = make.made

    await memory.get_or_create("token 0", make)

    assert made == make.made


@pytest.mark.parametrize("token", ["", " ", "\t", "\r\n", "  \n "])
async def test_blank_token_is_not_cached(memory, token):
    """SR-39 (h): it is made each time, and for everybody alone."""
    make = Maker()

    await asyncio.gather(*(memory.get_or_create(token, make) for _ in range(3)))

    assert 3 == make.made
    assert 0 == len(memory)


async def test_forgotten_value_is_recomputed(memory):
    """SR-39 (e): what the predicate names, and nothing else."""
    make = Maker()
    await memory.get_or_create("a", make)
    await memory.get_or_create("b", make)

    assert 1 == memory.invalidate(lambda value: value == "value 1")
    assert ["value 3", "value 2"] == [await memory.get_or_create(token, make) for token in "ab"]
    assert 2 == memory.invalidate()


async def test_computation_started_before_forget_is_not_cached(memory):
    """SR-39 (e): it may rest on what was true before; whoever asks afterwards does not get it either."""
    make = Maker()
    make.gate.clear()
    before = asyncio.create_task(memory.get_or_create("token", make))
    while not make.made:
        await asyncio.sleep(0)
    memory.invalidate(lambda _: False)
    after = asyncio.create_task(memory.get_or_create("token", make))
    await asyncio.sleep(0)
    make.gate.set()

    assert ["value 1", "value 2"] == [await before, await after]
    assert "value 2" == await memory.get_or_create("token", make)


async def test_token_that_cannot_be_encoded_is_cached(memory):
    """A byte of a header that is no UTF-8."""
    make = Maker()

    for token in ("\udcff", "\udcfe", "\udcff"):
        await memory.get_or_create(token, make)

    assert 2 == make.made


def _with_the_same_beginning():
    """Find two tokens whose digests have a common prefix."""
    seen = {}
    for number in range(100_000):
        token = f"token {number}"
        start = hashlib.sha256(token.encode()).hexdigest()[:6]
        if start in seen:
            return seen[start], token
        seen[start] = token
    raise AssertionError("no two digests begin alike")


async def test_digests_with_a_common_prefix_are_separate_entries(memory):
    """SR-39 (a): the whole digest counts."""
    first, second = _with_the_same_beginning()
    make = Maker()

    assert "value 1" == await memory.get_or_create(first, make)
    assert "value 2" == await memory.get_or_create(second, make)


texts = st.text(st.characters(exclude_categories=()), max_size=30)


@given(st.lists(st.one_of(texts, st.sampled_from(["a", "a ", " a", "A", "a\0", "ab"])), unique=True, max_size=20))
@settings(max_examples=50)
def test_two_tokens_never_share_an_entry(tokens):
    """SR-39 (b): each token has its own value, whatever was remembered before it."""
    memory = TtlCache(seconds=SECONDS, clock=Clock())

    def made_of(token):
        async def make():
            return token, math.inf

        return make

    async def run():
        for _ in range(2):
            for token in tokens:
                assert token == await memory.get_or_create(token, made_of(token))

    asyncio.run(run())
    assert sum(bool(token.strip()) for token in tokens) == len(memory)
