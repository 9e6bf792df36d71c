"""Masked URLs, and loopback hosts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodhi.settings import mask_url
from bodhi.urls import is_loopback, mask_http_url

# What people have in passwords, with everything that means something in a URL.
PASSWORDS = st.text(st.sampled_from("abcXYZ019:/@?#%&=,[]$ "), min_size=1).map(lambda text: f"hun{text}ter")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://bodhi:secret@db/bodhi", "postgres://bodhi:***@db/bodhi"),
        ("postgres://bodhi@db/bodhi", "postgres://bodhi@db/bodhi"),
        ("postgres://bodhi:@db/bodhi", "postgres://bodhi:***@db/bodhi"),
        ("postgres://db/bodhi", "postgres://db/bodhi"),
        ("postgres://bodhi:se@cret@db/bodhi", "postgres://bodhi:***@db/bodhi"),
        ("postgresql://u:secret@a:1,b:2/db?sslmode=require", "postgresql://u:***@a:1,b:2/db?sslmode=require"),
        ("postgres://db?password=secret&user=u", "postgres://db?password=***&user=u"),
        ("postgres://db/x?pass%77ord=secret", "postgres://db/x?pass%77ord=***"),
        ("postgres://bodhi:se/cret@db/bodhi", "postgres://***"),
        ("postgres://bodhi:12/34@db/bodhi", "postgres://***"),
        ("mysql://bodhi:secret@db/bodhi", "mysql://***"),
        ("bodhi:secret@db", "***"),
        ("secret", "***"),
        ("sqlite:/srv/a@b.sqlite", "sqlite:/srv/a@b.sqlite"),
        ("sqlite:///srv/session.sqlite", "sqlite:///srv/session.sqlite"),
        ("sqlite:x.sqlite?key=secret", "sqlite:x.sqlite?key=***"),
        ("sqlite://bodhi:secret@db/x", "sqlite://***"),
        ("https://login.example.org:8443/realms/bodhi/", "https://login.example.org:8443/realms/bodhi/"),
        ("HTTP://[::1]", "HTTP://[::1]"),
        ("https://bodhi:secret@login.example.org", "https://***"),
        ("https://secret@login.example.org", "https://***"),
        ("https://login.example.org?key=secret", "https://***"),
        ("https://login.example.org#secret", "https://***"),
        ("https:secret", "***"),
    ],
)
def test_password_is_masked(url, expected):
    """Host and database stay, so that the line tells which database it is about."""
    assert mask_url(url) == expected


@pytest.mark.parametrize(
    "url",
    ["x", "login.example.org/realms/bodhi", "localhost:8080", "https//login.example.org", "htps://login.example.org/a"],
)
def test_an_issuer_that_is_refused_is_shown(url):
    """Unless a password could be in it."""
    assert url == mask_http_url(url)


@pytest.mark.parametrize(
    "url", ["ann:secret", "ann:secret@host", "secret@host", "//ann:secret@host", "host?key=secret", "host#secret"]
)
def test_an_issuer_that_may_hold_a_password_is_masked(url):
    """Whatever else is wrong with it."""
    assert "secret" not in mask_http_url(url)


@given(password=PASSWORDS, scheme=st.sampled_from(["postgres", "postgresql", "mysql", "sqlite", "https"]))
def test_no_part_of_any_password_is_left(password, scheme):
    """Whatever characters it has, escaped or not: neither its beginning nor its end shows."""
    for mask in (mask_url, mask_http_url):
        shown = mask(f"{scheme}://bodhi:{password}@db.example/data")

        assert "hun" not in shown
        assert "ter" not in shown


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "localhost.", "app.localhost", "127.0.0.1", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1"],
)
def test_loopback_names_are_recognized(host):
    """By name or by address, however they are written."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "128.0.0.1",
        "fe80::1",
        "example.org",
        "localhost.example.org",
        "notlocalhost",
        "127.0.0.1.example.org",
        "2130706433",
        "",
    ],
)
def test_other_hosts_are_not_loopback(host):
    """Every address is not, nor is a name that only begins or ends like a local one."""
    assert not is_loopback(host)
