import pytest

from bodhi.oidc import Claims
from bodhi.oidc.errors import TokenError

BASE = {"sub": "u", "exp": 1}


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (["resource_user", 5, None, "other"], ["resource_user", "other"]),
        ([], []),
        ("resource_user other", ["resource_user", "other"]),
        (5, None),
        ({"resource_user": {}}, None),
        (None, None),
    ],
)
def test_roles_are_the_strings_at_the_claim_path(roles, expected):
    """A list of names or a text of several; nothing else is one."""
    claims = Claims.of({**BASE, "resource_access": {"bodhi": {"roles": roles}}})

    assert expected == claims.roles(("resource_access", "bodhi", "roles"))


@pytest.mark.parametrize("access", [None, 5, [], "bodhi", {}, {"other": {"roles": ["resource_admin"]}}, {"bodhi": []}])
def test_missing_claim_path_means_no_roles(access):
    """Nor are another client's roles ours."""
    assert Claims.of({**BASE, "resource_access": access}).roles(("resource_access", "bodhi", "roles")) is None


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
