"""Roles and names from the claims that the settings name."""

import logging

import pytest

from bodhi.oidc import Claims
from bodhi.server.access.claim_mapping import ClaimMapping
from bodhi.server.access.errors import InvalidRoleName
from bodhi.server.access.scopes import Role

ROLES = [
    ("staff", "resource_user"),
    ("the boss", "resource_admin"),
    ("boss", "resource_manager"),
    ("17", "resource_user"),
]


def claims(**members):
    """Return the claims of the user ``u``."""
    return Claims.of({"sub": "u", "exp": 1, **members})


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["staff", "boss"], Role.MANAGER),
        ([{"name": "boss"}], Role.MANAGER),
        ([17], Role.USER),
        ({"the boss": {"1": "example.org"}, "staff": False}, Role.ADMIN),
        ("the boss", Role.ADMIN),
        ("staff boss", Role.MANAGER),
        ("everybody; the boss", Role.ADMIN),
        ("staff,boss", Role.MANAGER),
        # Once a reading has a known name, finer ones are not tried.
        ("the boss; boss", Role.ADMIN),
        ("staff; not the boss", Role.USER),
        ("everybody,staff", Role.USER),  # as some write lists
    ],
)
def test_the_role_is_the_highest_of_the_mapped_names(groups, role):
    """In every shape; a text is tried whole before it is split."""
    assert role is ClaimMapping("groups", ROLES).role_of(claims(groups=groups), "bodhi")


@pytest.mark.parametrize(
    "groups",
    [
        ["other"],
        [],
        {},
        "Staff",
        18,
        ["resource_admin"],
        "other boss",
        "former staff",
        "staff emeriti",
        "former\tstaff",
        "former staff, friends of the boss",
        "former; not, staff",
        "CN=the,staff",
        '["not, staff"]',
        '["former staff"]',
        ["former staff", "not, staff", "not; staff"],
    ],
)
def test_unknown_names_are_no_role(groups):
    """Names are case-sensitive, and may contain known ones; with a mapping, only its names count."""
    with pytest.raises(InvalidRoleName):
        ClaimMapping("groups", ROLES).role_of(claims(groups=groups), "bodhi")


@pytest.mark.parametrize("claim", ["scope", "scp", "app.scope"])
def test_scopes_are_words_by_definition(claim):
    """Other names among them are no part of one name."""
    given = claims(scope="openid staff", scp="openid staff", app={"scope": "openid staff"})

    assert Role.USER is ClaimMapping(claim, ROLES).role_of(given, "bodhi")


@pytest.mark.parametrize("groups", [None, True, 1.5])
def test_a_claim_without_names_is_absent(groups):
    """As if there were none."""
    assert ClaimMapping("groups", ROLES).role_of(claims(groups=groups), "bodhi") is None


@pytest.mark.parametrize(
    ("claim", "members"),
    [
        ("https://example.org/roles", {"https://example.org/roles": "resource_user"}),
        ("/https:~1~1example.org~1roles", {"https://example.org/roles": "resource_user"}),
        ("urn:zitadel:iam:org:project:roles", {"urn:zitadel:iam:org:project:roles": {"resource_user": {"1": "x"}}}),
        ("urn:app:<client_id>:roles", {"urn:app:my.app:roles": ["resource_user"]}),
        ("resource_access.<client_id>.roles", {"resource_access": {"my.app": {"roles": ["resource_user"]}}}),
    ],
)
def test_the_claim_is_written_as_the_provider_names_it(claim, members):
    """Or as a path, or as a JSON Pointer."""
    assert Role.USER is ClaimMapping(claim).role_of(claims(**members), "my.app")


@pytest.mark.parametrize(
    ("groups", "role"),
    [(None, Role.POWER_USER), (["other"], Role.POWER_USER), (["staff"], Role.POWER_USER), (["boss"], Role.MANAGER)],
)
def test_the_default_role_is_the_least(groups, role):
    """Whatever the claim holds."""
    mapping = ClaimMapping("groups", ROLES, default_role="resource_power_user")

    assert role is mapping.role_of(claims(groups=groups), "bodhi")


@pytest.mark.parametrize(
    ("name_claim", "expected"),
    [
        (None, "ann"),
        ("nickname", "Annie"),
        ("https://example.org/name", "A."),
        ("profile.login", "4711"),
        ("no", "ann"),
    ],
)
def test_the_name_is_that_of_the_claim_in_the_setting(name_claim, expected):
    """Or the usual one."""
    given = {"nickname": "Annie", "https://example.org/name": "A.", "profile": {"login": 4711}}

    assert expected == ClaimMapping("g", name_claim=name_claim).name_of(claims(preferred_username="ann", **given))


@pytest.mark.parametrize(
    ("given", "is_complete"),
    [
        ({"name": "Ann", "groups": []}, True),
        ({"name": "Ann"}, False),
        ({"groups": ["a"]}, False),
        ({"name": "Ann", "groups": True}, False),
    ],
)
def test_claims_are_complete_with_a_name_and_the_roles(given, is_complete):
    """Otherwise userinfo may have more."""
    assert is_complete is ClaimMapping("groups").is_complete(claims(**given), "bodhi")


def test_the_claim_of_the_name_setting_is_needed():
    """Another name does not do."""
    assert not ClaimMapping("groups", name_claim="nickname").is_complete(claims(name="Ann", groups=[]), "bodhi")


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (True, "the claim groups (BODHI_AUTH_ROLES_CLAIM) holds no names, but true or false"),
        (1.5, "the claim groups (BODHI_AUTH_ROLES_CLAIM) holds no names, but a number"),
        (
            ["secret club", "other"],
            "none of the 2 names in groups is known (BODHI_AUTH_ROLES: staff, the boss, boss, 17)",
        ),
        ("secret club", "the only name in groups is not known (BODHI_AUTH_ROLES: staff, the boss, boss, 17)"),
        ([], "the claim groups (BODHI_AUTH_ROLES_CLAIM) is empty"),
    ],
)
def test_the_log_says_why_there_is_no_role(caplog, groups, reason):
    """With the setting to change; what the claim holds is said at DEBUG alone."""
    caplog.set_level(logging.DEBUG)

    ClaimMapping("groups", ROLES).log_missing_role(claims(groups=groups), "bodhi")

    info, debug = caplog.records
    assert (logging.INFO, f"login without a role user_id=u: {reason}") == (info.levelno, info.message)
    assert (logging.DEBUG, f"groups = {groups!r}") == (debug.levelno, debug.message)


@pytest.mark.parametrize(
    ("claim", "given", "told"),
    [
        ("resource_access.<client_id>.roles", {}, "there is no claim resource_access.my.app.roles ("),
        ("/apps/<client_id>", {"apps": {"my.app": True}}, "the claim /apps/my.app (BODHI_AUTH_ROLES_CLAIM) holds"),
        ("roles_<client_id>", {"roles_my.app": ["x"]}, "the only name in roles_my.app is not known ("),
    ],
)
def test_the_log_names_the_claim_of_this_client(caplog, claim, given, told):
    """As it is in the token, rather than as it is written in the setting."""
    caplog.set_level(logging.DEBUG)

    ClaimMapping(claim).log_missing_role(claims(**given), "my.app")

    info, debug = caplog.records
    assert info.message.startswith(f"login without a role user_id=u: {told}")
    name = claim.replace("<client_id>", "my.app")
    assert debug.message.startswith(f"{name} = " if given else "claims that arrived: ")


@pytest.mark.parametrize(
    ("claim", "given", "named"),
    [
        ("groups", {}, "exp, sub"),
        ("roles", {"groups": ["secret club"], "email": "secret@example.org"}, "email, exp, groups, sub"),
        ("realm_access.roles", {"realm_access": {"groups": ["secret club"]}}, "exp, realm_access, sub"),
    ],
)
def test_the_log_names_the_claims_that_arrived_without_the_one_of_the_roles(caplog, claim, given, named):
    """To find the right one; their names alone, and only at DEBUG."""
    caplog.set_level(logging.DEBUG)

    ClaimMapping(claim).log_missing_role(claims(**given), "bodhi")

    info, debug = caplog.records
    assert f"login without a role user_id=u: there is no claim {claim} (BODHI_AUTH_ROLES_CLAIM)" == info.message
    assert (logging.DEBUG, f"claims that arrived: {named}") == (debug.levelno, debug.message)
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("roles", "known"),
    [
        ([], "resource_user, resource_power_user, resource_manager, resource_admin"),
        ([(f"g{n}", "resource_user") for n in range(20)], ", ".join(f"g{n}" for n in range(20))),
        ([(f"g{n}", "resource_user") for n in range(21)], ", ".join(f"g{n}" for n in range(20)) + ", …"),
    ],
)
def test_the_log_names_the_mapped_names_only(caplog, roles, known):
    """Those of the setting, and not too many; none of the person."""
    caplog.set_level(logging.INFO)

    ClaimMapping("groups", roles).log_missing_role(claims(groups=["secret club"]), "bodhi")

    [record] = caplog.records
    assert record.message.endswith(f"the only name in groups is not known (BODHI_AUTH_ROLES: {known})")
    assert "secret" not in record.message
