"""The circuit breaker for hanging calls."""

import pytest

from bodhi.server.authentication.circuit_breaker import CircuitBreaker


class Clock:
    """A manual clock, in seconds."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """The breaker's."""
    return Clock()


@pytest.fixture
def breaker(clock):
    """A breaker that opens for all keys after three hanging calls."""
    return CircuitBreaker(threshold=3, pause_seconds=5, clock=clock)


def test_one_hanging_call_opens_the_circuit_for_its_key_only(breaker, clock):
    """As long as it hangs, and for a pause after it was given up."""
    breaker.note_hanging("a")
    assert (False, True) == (breaker.allows("a"), breaker.allows("b"))
    clock.now += 1000
    assert not breaker.allows("a")

    breaker.pause("a")
    clock.now += 4.9
    assert not breaker.allows("a")
    clock.now += 0.1
    assert breaker.allows("a")


def test_several_hanging_calls_open_the_circuit_for_all_but_one_trial(breaker, clock):
    """Several waiters of one call count once."""
    for key in "aabb":
        breaker.note_hanging(key)
    assert breaker.allows("x")
    breaker.note_hanging("c")

    assert not breaker.allows("x")
    clock.now += 5
    assert [True, False, False] == [breaker.allows(key) for key in "xyz"]
    clock.now += 5
    assert [True, False] == [breaker.allows(key) for key in "yz"]


def test_response_closes_the_circuit(breaker):
    """Whoever got it; calls that still hang stay what they are."""
    for key in "abc":
        breaker.note_hanging(key)
    breaker.note_answered("a")

    assert [True, False, True] == [breaker.allows(key) for key in "abx"]


def test_the_circuit_breaker_keeps_a_bounded_state(breaker, clock):
    """A pause that is over needs no place."""
    for number in range(1000):
        breaker.pause(number)
        clock.now += 1

    assert len(breaker._open_until) <= 6
