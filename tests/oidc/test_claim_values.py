"""Where claim paths lead, and the names in claims of many shapes."""

import pytest

from bodhi.oidc.claim_values import readings_of, value_at

NAMESPACED = "https://example.org/roles"


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
        ({"a": {"1715": "example.org"}, "b": {}, "c": False, "d": None, "e": []}, ["a", "b"]),
        ([], []),
        (17, ["17"]),
    ],
)
def test_names_are_read_from_each_shape(value, names):
    """A list of names or objects, or an object whose keys are the names (Zitadel); what is switched off is no name."""
    assert [names] == [list(reading) for reading in readings_of(value)]


@pytest.mark.parametrize(
    ("value", "reading"),
    [
        ("bodhi admins", ["bodhi admins"]),
        ("a b", ["a", "b"]),
        ("a, b", ["a", "b"]),
        ("Domain Users; Domain Admins", ["Domain Users", "Domain Admins"]),
        ("CN=a,OU=groups", ["CN=a,OU=groups"]),
        ("CN=a,OU=groups; CN=b,OU=groups", ["CN=a,OU=groups", "CN=b,OU=groups"]),
        ('["a", {"name": "b c"}]', ["a", "b c"]),
        ('{"a": {}, "b": false}', ["a"]),
        ("[a", ["[a"]),
    ],
)
def test_a_text_has_several_readings(value, reading):
    """Whole, as JSON, and split at what may separate names."""
    assert reading in [list(one) for one in readings_of(value)]


def test_the_whole_text_is_the_first_reading():
    """A name may contain every separator."""
    assert ["a, b; c d"] == list(next(iter(readings_of("a, b; c d"))))


@pytest.mark.parametrize("value", [None, True, 1.5, 2**60])
def test_other_values_hold_no_names(value):
    """Neither a switch nor a fraction is a name."""
    assert [] == list(readings_of(value))
