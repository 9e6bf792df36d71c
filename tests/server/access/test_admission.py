"""Who may log in, by e-mail address, domain or group."""

import pytest

from bodhi.oidc import Claims
from bodhi.server.access.claim_mapping import EVERYBODY, Admission

NOT_VERIFIED = [1, 1.0, "1", "yes", "True", [], ["true"], [True], {}, {"verified": True}]
OF_OTHERS = [  # groups whose name contains that of a listed one
    "former staff",
    "staff emeriti",
    "former\tstaff",
    "former\nstaff",
    "former\u00a0staff",
    "former, staff",
    "former,staff",
    "former staff; staff emeriti",
    '["former staff"]',
    '["former; staff; emeriti"]',
    '["former, staff"]',
    '{"former staff": {}, "staff": false}',
    ["former staff", "former; staff", "former, staff"],
    [{"name": "former staff"}, {"name": "former", "id": "staff"}],
    {"former staff": {}, "staff": "false"},
    "CN=former,CN=a,OU=b",
]
ALLOWED = ("Ann@example.org", "@Example.com", "group:staff", "group:CN=a,OU=b")


def claims(*sources):
    """Return the claims of *sources*."""
    return Claims.of({"sub": "u", "exp": 1, **(sources[0] if sources else {})}, *sources[1:])


@pytest.mark.parametrize("given", [{}, {"email": 5}, {"groups": "x"}])
def test_everybody_is_admitted_where_nothing_is_listed(given):
    """And nothing more needs to be known."""
    assert EVERYBODY.admits(claims(given))
    assert EVERYBODY.is_decided_by(claims(given))


@pytest.mark.parametrize(
    ("given", "is_admitted"),
    [
        ({"email": "ann@EXAMPLE.org", "email_verified": True}, True),
        ({"email": "ben@example.com", "email_verified": "true"}, True),
        ({"email": "ben@example.org", "email_verified": True}, False),
        ({"email": "ann@example.org", "email_verified": False}, False),
        ({"email": "ann@example.org", "email_verified": "false"}, False),
        ({"email": "ann@example.org", "email_verified": None}, False),
        *(({"email": "ann@example.org", "email_verified": said}, False) for said in NOT_VERIFIED),
        ({"email": "ann@example.org"}, False),
        ({"email": "ben@sub.example.com", "email_verified": True}, False),
        ({"email": "ben@notexample.com", "email_verified": True}, False),
        ({"email": "ben@evil.org@example.com", "email_verified": True}, False),
        ({"email": "example.com", "email_verified": True}, False),
        ({"email": "ben@example.com ", "email_verified": True}, False),
        ({"email": ["ann@example.org"], "email_verified": True}, False),
        ({"groups": ["other", "staff"]}, True),
        ({"groups": ["CN=a,OU=b"]}, True),
        ({"groups": {"staff": {"1": "x"}}}, True),
        ({"groups": "staff"}, True),
        ({"groups": "former staff; staff"}, True),
        ({"groups": '["former staff", "staff"]'}, True),
        ({"groups": "CN=a,OU=b"}, True),
        *(({"groups": groups}, False) for groups in OF_OTHERS),
        ({"groups": ["Staff", "CN=a"]}, False),
        ({"groups": ["ann@example.org", "@example.com"]}, False),
        ({}, False),
    ],
)
def test_only_who_is_listed_is_admitted(given, is_admitted):
    """Addresses and domains ignore case, and have to be verified; groups are exact."""
    assert is_admitted is Admission(ALLOWED).admits(claims(given))


def test_the_kelvin_sign_is_no_k():
    """Its small letter is the ASCII one."""
    allowed = Admission(("kim@example.org",))

    assert allowed.admits(claims({"email": "KIM@example.org", "email_verified": True}))
    assert not allowed.admits(claims({"email": "\u212aim@example.org", "email_verified": True}))


def test_an_unverified_address_counts_where_the_setting_says_so():
    """Entra ID has no email_verified."""
    allowed = Admission(ALLOWED, trusts_email=True)

    assert allowed.admits(claims({"email": "ann@example.org"}))
    assert allowed.admits(claims({"email": "ann@example.org", "email_verified": False}))
    assert not allowed.admits(claims({"email": "ben@example.org"}))


@pytest.mark.parametrize(
    ("sources", "is_admitted"),
    [
        ([{"email": "ann@example.org"}, {"email": "ann@example.org", "email_verified": True}], True),
        ([{}, {"email": "ann@example.org", "email_verified": True}], True),
        ([{"email": "eve@example.org"}, {"email": "ann@example.org", "email_verified": True}], False),
        ([{"email": "ann@example.org"}, {"email": "eve@example.org", "email_verified": True}], False),
        ([{"email": "ann@example.org"}, {"email_verified": True}], False),
        (
            [
                {"email": "ann@example.org", "email_verified": False},
                {"email": "ann@example.org", "email_verified": True},
            ],
            False,
        ),
    ],
)
def test_another_source_verifies_only_the_same_address(sources, is_admitted):
    """The newest source comes first, and says what the address is."""
    assert is_admitted is Admission(ALLOWED).admits(claims(*sources))


@pytest.mark.parametrize(
    ("allowed", "given", "is_decided"),
    [
        (["@example.org"], {}, False),
        (["@example.org"], {"email": "eve@example.com"}, False),
        (["@example.org"], {"email": "eve@example.com", "email_verified": True}, True),
        (["@example.org"], {"email": "eve@example.org", "email_verified": False}, True),
        (["group:staff"], {"email": "eve@example.com"}, False),
        (["group:staff"], {"groups": []}, True),
        (["group:staff", "@example.org"], {"groups": []}, False),
        (["group:staff", "@example.org"], {"groups": ["staff"]}, True),
    ],
)
def test_userinfo_is_wanted_where_the_decision_is_open(allowed, given, is_decided):
    """What is missing may be there."""
    assert is_decided is Admission(allowed).is_decided_by(claims(given))
