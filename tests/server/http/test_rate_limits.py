"""The limit of requests for each client, with a clock that the test moves."""

import pytest
from aiohttp.test_utils import make_mocked_request

from bodhi.server.access.errors import TooManyRequests
from bodhi.server.http import rate_limits
from bodhi.server.http.forwarded import FORWARDED, Forwarded
from bodhi.server.http.rate_limits import RateLimit


class Clock:
    """Seconds that the test counts."""

    now = 1_000.0

    def __call__(self):
        return self.now


def request_of(client):
    """A request of the client with this address."""
    request = make_mocked_request("POST", "/")
    request[FORWARDED] = Forwarded(client, None, None)
    return request


def taken(limit, client, attempts=200):
    """How many of so many requests of the client pass, at once."""
    passed, request = 0, request_of(client)
    for _ in range(attempts):
        try:
            limit.take(request)
        except TooManyRequests:
            continue
        passed += 1
    return passed


def test_a_burst_and_then_so_many_a_minute():
    """An office behind one address logs in together; after that one request a second."""
    limit = RateLimit("logins", 60, clock := Clock())

    assert 120 == taken(limit, "192.0.2.1")
    for seconds, passes in [(0.9, 0), (0.1, 1), (30, 30), (60, 60), (3_600, 120)]:
        clock.now += seconds
        assert passes == taken(limit, "192.0.2.1"), seconds


def test_others_are_not_concerned():
    """Each address has its own; of IPv6 each network that a subscriber has."""
    limit = RateLimit("logins", 60, Clock())
    taken(limit, "192.0.2.1")
    taken(limit, "2001:db8:0:1::1")

    assert [120, 0, 120] == [taken(limit, f"2001:db8:0:{client}") for client in ("2::1", "1:ffff::2", "3::")]
    assert 120 == taken(limit, "192.0.2.2")


@pytest.mark.parametrize(("per_minute", "wait"), [(60, 1), (1, 60), (7, 9), (600, 1)])
def test_the_error_says_when_to_come_back(per_minute, wait):
    """In whole seconds, after which the next request passes."""
    limit = RateLimit("logins", per_minute, clock := Clock())
    taken(limit, "192.0.2.1", 1_300)

    with pytest.raises(TooManyRequests) as refused:
        limit.take(request_of("192.0.2.1"))

    assert wait == refused.value.retry_after_seconds
    clock.now += wait
    limit.take(request_of("192.0.2.1"))


def test_zero_is_no_limit():
    """Whoever has a limit in front of the server turns this one off."""
    assert 200 == taken(RateLimit("logins", 0, Clock()), "192.0.2.1")


def test_clients_that_nothing_tells_apart_are_not_limited():
    """One of them would keep out all others: a Unix socket without a trusted proxy."""
    limit = RateLimit("logins", 1, Clock())

    for _ in range(10):
        limit.take(make_mocked_request("POST", "/"))


def test_memory_is_bounded(monkeypatch):
    """Those that were silent longest are forgotten."""
    monkeypatch.setattr(rate_limits, "MOST_CLIENTS", 100)
    limit = RateLimit("logins", 60, clock := Clock())
    assert 120 == taken(limit, "192.0.2.1")

    for number in range(300):
        clock.now += 0.001
        limit.take(request_of(f"198.51.{number // 256}.{number % 256}"))
        assert 0 == taken(limit, "192.0.2.1", 1) or number >= 99

    assert 100 == len(limit._free_at)


def test_the_log_says_so_once_a_minute(caplog):
    """With the address and the number, however many are refused."""
    limit = RateLimit("logins", 60, clock := Clock())

    taken(limit, "192.0.2.1", 1_000)
    clock.now += 60
    taken(limit, "192.0.2.1", 100)

    assert [1, 880] == [record.fields["refused"] for record in caplog.records]
    assert {"192.0.2.1"} == {record.fields["client"] for record in caplog.records}
