"""Claims of an access token, where claim paths lead, and the names in claims of many shapes."""

import pytest

from bodhi.oidc.claims import Claims, is_one_name, is_true, names_in, readings_of, value_at
from bodhi.oidc.errors import TokenError

UNTRUE = [1, 1.0, "1", "yes", "TRUE", "true ", "on", "verified", [], [True], ["true"], {}, {"true": 1}, None, False, ""]
NAMESPACED = "https://example.org/roles"
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


@pytest.mark.parametrize(
    ("claims", "path"),
    [
        ({"roles": ["a"]}, "roles"),
        ({"realm": {"roles": ["a"]}}, "realm.roles"),
        ({NAMESPACED: ["a"]}, NAMESPACED),
        ({"https://example": {"org/roles": ["b"]}, NAMESPACED: ["a"]}, NAMESPACED),
        ({"resource_access": {"my.client": {"roles": ["a"]}}}, "resource_access.my.client.roles"),
        ({"apps": {NAMESPACED: {"list": ["a"]}}}, f"apps.{NAMESPACED}.list"),
        ({"a.b": {"other": 1}, "a": {"b": {"c": ["a"]}}}, "a.b.c"),
    ],
)
def test_a_path_may_be_one_name_with_dots(claims, path):
    """The longest name that leads somewhere counts."""
    assert ["a"] == value_at(claims, path.split("."))


@pytest.mark.parametrize("claims", [{}, {"a": None}, {"a": ["b"]}, {"a": "b"}, {"a": {"c": 1}}, None, ["a"], "a.b"])
def test_a_path_may_lead_nowhere(claims):
    """Anything but an object has no members."""
    assert value_at(claims, ["a", "b"]) is None


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (["a", "b c"], ["a", "b c"]),
        (["a", 1001, None, True, ["b"], 1.5, ""], ["a", "1001"]),
        ([{"name": "a", "id": 5}, {"id": "b"}, {"value": "c"}, {"other": "d"}, {"name": None, "role": "e"}], [*"abce"]),
        ([{"authority": "ROLE_A"}, "b"], ["ROLE_A", "b"]),
        ({"a": {"1715": "example.org"}, "b": {}, "c": False, "d": None, "e": [], "f": "false"}, ["a", "b"]),
        ({"a": True, "b": "of the staff", "c": 0}, ["a", "b"]),
        ([], []),
        (17, ["17"]),
    ],
)
def test_names_are_read_from_each_shape(value, names):
    """A list of names or objects, or an object whose keys are the names (Zitadel); what is switched off is no name."""
    assert [names] == [list(reading) for reading in readings_of(value)]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("bodhi admins", ["bodhi admins"]),
        ("former\tstaff\n", ["former\tstaff"]),
        ("former\u00a0staff", ["former\u00a0staff"]),
        ("a, b", ["a, b"]),
        ("Domain Users; Domain Admins", ["Domain Users", "Domain Admins"]),
        ("former staff; a, b;;c", ["former staff", "a, b", "c"]),
        ("CN=a,OU=groups", ["CN=a,OU=groups"]),
        ("CN=a,OU=groups; CN=b,OU=groups", ["CN=a,OU=groups", "CN=b,OU=groups"]),
        ('["a", {"name": "b c"}]', ["a", "b c"]),
        ('["x; a; y"]', ["x; a; y"]),
        ('{"a": {}, "b": false}', ["a"]),
        ("[]", []),
        ("[a", ["[a"]),
        ("", []),
        (";", []),
    ],
)
def test_a_text_is_one_name_or_a_list_that_cannot_be_mistaken(value, names):
    """It is whole, as JSON, or between semicolons: the name of one group may contain that of another."""
    assert [[value], names] == [list(reading) for reading in readings_of(value)]
    assert names == names_in(value)


@pytest.mark.parametrize("value", [None, True, 1.5, 2**60])
def test_other_values_hold_no_names(value):
    """Neither a switch nor a fraction is a name."""
    assert [] == list(readings_of(value))
    assert [] == names_in(value)


@pytest.mark.parametrize("value", ["a", "a b", "a,b", " a ", "[a"])
def test_a_text_may_be_one_name(value):
    """There is no other way to read it."""
    assert is_one_name(value)


@pytest.mark.parametrize("value", ["a;b", "a;", '["a, b"]', '["a"]', "{}", "", " ", ["a"], 17, None])
def test_other_values_are_not_one_text_with_one_name(value):
    """Their names are certain, and are split no further."""
    assert not is_one_name(value)


@pytest.mark.parametrize(("value", "expected"), [(True, True), ("true", True), *((value, False) for value in UNTRUE)])
def test_only_true_is_true(value, expected):
    """As JSON's word, or as text; a provider says "verified" in no other way."""
    assert expected is is_true(value)
