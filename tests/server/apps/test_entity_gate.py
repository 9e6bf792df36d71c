import json

import pytest

from bodhi.server.access.errors import ApiError
from bodhi.server.access.principal import ANONYMOUS, ApiToken, ExternalApp, SessionUser
from bodhi.server.access.scopes import Role, TokenScope, UserScope
from bodhi.server.access.times import EPOCH
from bodhi.server.apps.entity_gate import EntityGate, ids_in
from bodhi.server.apps.records import AppAccessRequest

PRINTER = "6f2c2f0e-0000-4000-8000-00000000000a"
CAMERA = "6f2c2f0e-0000-4000-8000-00000000000b"
REQUEST = AppAccessRequest(
    id="request",
    app_client_id="app",
    app_name=None,
    app_description=None,
    flow_type="popup",
    redirect_url=None,
    status="approved",
    requested="null",
    approved=f'{{"devices": [{{"id": "{PRINTER}"}}, "{CAMERA.upper()}"]}}',
    user_id="alice",
    resource_scope="scope",
    access_request_scope="scope_access_request:1",
    claimed_until=None,
    expires_at=0,
    created_at=EPOCH,
    updated_at=EPOCH,
)
APP = ExternalApp("alice", "Alice", UserScope.USER, "exchanged", "presented", "app", "request")


class Requests:
    """Returns a single app access request by id."""

    def __init__(self, request):
        self._request = request

    async def by_id(self, request_id):
        return self._request if self._request and request_id == self._request.id else None


def changed(value, **changes):
    """Return *value* with other members."""
    fields = {name: getattr(value, name) for name in value.__slots__}
    return type(value)(**{**fields, **changes})


async def code_of(context, entity_id=PRINTER, request=REQUEST, extract=None):
    """Return the error code of the gate, or None."""
    try:
        await EntityGate(Requests(request), extract or ids_in("devices")).check(context, entity_id)
    except ApiError as refusal:
        family, _, detail = refusal.code.partition("-")
        assert "access_request_auth_error" == family
        return refusal.status, detail
    return None


@pytest.mark.parametrize("entity_id", [PRINTER, CAMERA, PRINTER.upper()])
async def test_application_gets_approved_entities_only(entity_id):
    """By its id, in whatever case, whether the list holds ids or objects."""
    assert None is await code_of(APP, entity_id)


@pytest.mark.parametrize("entity_id", [PRINTER, None])
async def test_sessions_may_use_every_entity(entity_id):
    """What a person may do is not for applications to say."""
    assert None is await code_of(SessionUser("bob", "Bob", Role.USER, "token"), entity_id, request=None)


@pytest.mark.parametrize(
    "context",
    [ANONYMOUS, ApiToken("alice", TokenScope.ADMIN, "t"), changed(APP, access_request_id=None)],
    ids=lambda context: context.type,
)
async def test_only_applications_pass_the_entity_gate(context):
    """Also an application without an app access request."""
    assert (401, "missing_auth") == await code_of(context)


def request(**changes):
    """Return the request with other members."""
    return changed(REQUEST, **changes)


@pytest.mark.parametrize(
    ("entity_id", "asked", "expected"),
    [
        (None, REQUEST, (404, "entity_not_found")),
        (PRINTER, None, (403, "access_request_not_found")),
        (PRINTER, request(status="draft"), (403, "access_request_not_approved")),
        (PRINTER, request(status="withdrawn"), (403, "access_request_not_approved")),
        (PRINTER, request(approved=None), (403, "access_request_invalid")),
        (PRINTER, request(approved="{}"), (403, "access_request_invalid")),
        (PRINTER, request(approved='{"devices": null}'), (403, "access_request_invalid")),
        (PRINTER, request(app_client_id="other"), (403, "app_client_mismatch")),
        (PRINTER, request(user_id="bob"), (403, "user_mismatch")),
        (PRINTER, request(user_id=None), (403, "user_mismatch")),
        (PRINTER, request(approved='{"devices": []}'), (403, "entity_not_approved")),
        (PRINTER, request(approved=f'{{"devices": ["{CAMERA}"]}}'), (403, "entity_not_approved")),
        (PRINTER, request(approved=f'{{"others": ["{PRINTER}"], "devices": []}}'), (403, "entity_not_approved")),
        (PRINTER, request(approved="{"), (500, "invalid_approved_json")),
        (PRINTER, request(approved="[]"), (500, "invalid_approved_json")),
        (PRINTER, request(approved="null"), (500, "invalid_approved_json")),
        (PRINTER, request(approved='{"devices": "all"}'), (500, "invalid_approved_json")),
        (PRINTER, request(approved='{"devices": [1]}'), (500, "invalid_approved_json")),
        (PRINTER, request(approved='{"devices": [{"name": "x"}]}'), (500, "invalid_approved_json")),
        (PRINTER, request(approved='{"devices": [{"id": null}]}'), (500, "invalid_approved_json")),
        (PRINTER, request(approved="[" * 100_000), (500, "invalid_approved_json")),
    ],
)
async def test_every_refusal_has_its_own_error(entity_id, asked, expected):
    """A code for each."""
    assert expected == await code_of(APP, entity_id, request=asked)


async def test_service_may_supply_its_own_extractor():
    """What stands in ``approved`` is its business."""

    def extract(approved):
        return [one["device"] for one in approved["grants"] if one["granted"]]

    grants = [{"device": PRINTER, "granted": True}, {"device": CAMERA, "granted": False}]
    asked = request(approved=json.dumps({"grants": grants}))

    assert None is await code_of(APP, PRINTER, asked, extract)
    assert (403, "entity_not_approved") == await code_of(APP, CAMERA, asked, extract)
    assert (500, "invalid_approved_json") == await code_of(APP, CAMERA, REQUEST, extract)
