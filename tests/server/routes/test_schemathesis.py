"""Schemathesis against a live server: every response matches the served API description."""

from http.cookiejar import DefaultCookiePolicy

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from bodhi.testing.identity_provider.accounts import Person
from server.routes.callers import ANOTHER_APP
from server.routes.live_server import live_server

# What ends sessions, or is done once for each server.
APART = {"POST /bodhi/v1/logout", "POST /bodhi/v1/setup"}
EXAMPLES = 3  # of each kind: as described; as described, of what is there; not as described

pytestmark = [
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
    # On Python 3.14 schemathesis holds the generator that it registers in a way which hypothesis does not count.
    pytest.mark.filterwarnings("ignore:It looks like `register_random` was passed an object"),
]


@pytest.fixture
def http():
    """A client with keep-alive and without cookies."""
    import requests  # here, as below: every process collects every test, and few run this one

    with requests.Session() as session:
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield session


class Prober:
    """Sends the requests that schemathesis generates for a server."""

    def __init__(self, live, http):
        from schemathesis import openapi
        from schemathesis.specs.openapi import checks

        self._live = live
        self._http = http
        self._checks = [
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_headers_conformance,
            checks.response_schema_conformance,
            answers_at_all,
        ]
        description = http.get(f"{live.url}/bodhi/v1/openapi.json", timeout=300).json()
        self.operations = [found.ok() for found in openapi.from_dict(description).get_all_operations()]

    def caller(self, kind, level):
        """Return the headers of a caller."""
        return next(one.headers for one in self._live.callers if (one.kind, one.level) == (kind, level))

    def post(self, path, caller, body=None):
        """Create data by a POST; return the response."""
        response = self._http.post(self._live.url + path, json=body, headers=caller, timeout=300)
        assert 201 == response.status_code, response.text
        return response.json() if response.content else None

    def probe(self, operation, callers, **known):
        """Send generated requests for *operation* as all *callers*."""
        from schemathesis import GenerationMode

        takes_something = bool(operation.body) or any(operation.iter_parameters())
        strategies = [operation.as_strategy()]
        if takes_something:
            strategies.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        if known:
            strategies.append(operation.as_strategy(path_parameters=known))
        for strategy in strategies:
            self._send(strategy, callers, examples=EXAMPLES if takes_something else 1)

    def _send(self, strategy, callers, *, examples):
        @settings(
            max_examples=examples,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def send(case):
            for headers in callers:
                response = case.call(base_url=self._live.url, session=self._http, headers=headers)
                case.validate_response(response, checks=self._checks)

        send()


def answers_at_all(_, response, case):
    """A check: no response is a server error."""
    assert response.status_code < 500, f"{case.operation.label}: {response.text}"


def known_parameters(operation, app_access_request):
    """Return parameters that match existing data."""
    found: dict[str, object] = {
        "user_id": Person("user").user_id,
        "key": "BODHI_TOKEN_MEMORY",
        "id": "00000000-0000-0000-0000-000000000001",  # the API token of callers.py
    }
    if "access-requests" in operation.path:
        of_a_person = operation.label.startswith("POST") and not operation.path.endswith("deny")
        found["id"] = 1 if of_a_person else app_access_request
    return {name: value for name, value in found.items() if f"{{{name}}}" in operation.path}


def test_responses_match_the_openapi_document(database_url, tmp_path, http):
    """Of all operations, whoever asks: nobody, an API token or an administrator."""
    with live_server(database_url, tmp_path / "bodhi") as live:
        prober = Prober(live, http)
        nobody, admin = prober.caller("anonymous", "none"), prober.caller("session", "admin")
        prober.post("/bodhi/v1/user/request-access", prober.caller("session", "none"))
        asked = {"app_client_id": ANOTHER_APP, "flow_type": "popup", "requested": {"notes": "all"}}
        app_access_request = prober.post("/bodhi/v1/apps/request-access", nobody, asked)["id"]
        # What is deleted is asked for before.
        for operation in sorted(prober.operations, key=lambda one: one.method.upper() == "DELETE"):
            if operation.label not in APART:
                callers = [nobody, prober.caller("api_token", "power_user"), admin]
                prober.probe(operation, callers, **known_parameters(operation, app_access_request))


def test_responses_of_deleting_operations_match_the_openapi_document(database_url, tmp_path, http):
    """A server is set up once, and a session ends once."""
    with live_server(database_url, tmp_path / "bodhi", is_registered=False) as live:
        prober = Prober(live, http)
        operations = [operation for operation in prober.operations if operation.label in APART]
        assert len(APART) == len(operations)
        for operation in operations:
            prober.probe(operation, [prober.caller("anonymous", "none"), prober.caller("session", "admin")])
