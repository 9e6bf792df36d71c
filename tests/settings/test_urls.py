"""Database URLs without their passwords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bodhi.settings import mask_url

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
    ],
)
def test_password_is_masked(url, expected):
    """Host and database stay, so that the line tells which database it is about."""
    assert mask_url(url) == expected


@given(password=PASSWORDS, scheme=st.sampled_from(["postgres", "postgresql", "mysql", "sqlite"]))
def test_no_part_of_any_password_is_left(password, scheme):
    """Whatever characters it has, escaped or not: neither its beginning nor its end shows."""
    shown = mask_url(f"{scheme}://bodhi:{password}@db.example/data")

    assert "hun" not in shown
    assert "ter" not in shown
