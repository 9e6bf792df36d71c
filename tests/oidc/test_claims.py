import pytest

from bodhi.oidc import Claims
from bodhi.oidc.errors import TokenError

BASE = {"sub": "u", "exp": 1}


@pytest.mark.parametrize(
    ("claims", "full_name"),
    [
        ({"name": "Ann B.", "given_name": "Anna", "family_name": "Bo"}, "Ann B."),
        ({"name": ["Ann", "B."]}, "Ann B."),
        ({"name": {}, "given_name": "Anna", "family_name": "Bo"}, "Anna Bo"),
        ({"given_name": "Anna"}, "Anna"),
        ({"preferred_username": "ann", "email": "a@example.org"}, ""),
    ],
)
def test_the_full_name_is_the_name_or_made_of_its_parts(claims, full_name):
    """It is never a user name or an address."""
    assert full_name == Claims.of({**BASE, **claims}).full_name


@pytest.mark.parametrize("access", [None, 5, [], "bodhi", {}, {"other": {"roles": ["resource_admin"]}}, {"bodhi": []}])
def test_a_claim_path_may_lead_nowhere(access):
    """Nor are another client's roles ours."""
    assert Claims.of({**BASE, "resource_access": access}).at(("resource_access", "bodhi", "roles")) is None


def test_a_claim_path_is_looked_up_in_each_source():
    """An access token with roles for other clients does not hide those in the ID token; the first one counts."""
    elsewhere = {"resource_access": {"account": {"roles": ["view"]}}}
    named = [{"resource_access": {"bodhi": {"roles": [name]}}} for name in ("first", "second")]

    claims = Claims.of({**BASE, **elsewhere}, *named)

    assert ["first"] == claims.at(("resource_access", "bodhi", "roles"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"preferred_username": "ann", "email": "a@example.org", "name": "Ann B."}, "ann"),
        ({"preferred_username": "", "email": "a@example.org", "name": "Ann B."}, "a@example.org"),
        ({"preferred_username": None, "email": ["a"], "name": "Ann B."}, "Ann B."),
        ({"name": ["Ann", "B."]}, "Ann B."),
        ({}, "u"),
    ],
)
def test_the_shown_name_is_the_best_that_there_is(given, expected):
    """Dex, Auth0 and Google send no preferred_username."""
    assert expected == Claims.of({**BASE, **given}).shown_name


def test_a_name_in_any_source_is_better_than_the_email_in_the_first():
    """Userinfo completes the token."""
    assert "ann" == Claims.of({**BASE, "email": "a@example.org"}, {"preferred_username": "ann"}).shown_name


@pytest.mark.parametrize("payload", [None, [], "text", 5])
def test_payload_must_be_an_object(payload):
    """Anything else has no claims."""
    with pytest.raises(TokenError):
        Claims.of(payload)


@pytest.mark.parametrize(("audience", "expected"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b")), ([], ())])
def test_audience_may_be_a_string_or_a_list(audience, expected):
    """RFC 7519, 4.1.3."""
    assert expected == Claims.of({**BASE, "aud": audience}).audience


def test_printing_claims_shows_no_payload():
    """What the provider added is nobody's business in a log."""
    assert "secret" not in repr(Claims.of({**BASE, "more": "secret"}))
