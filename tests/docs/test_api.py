"""The committed API description matches the served API."""

import json

import pytest
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

from bodhi.cli import cli
from bodhi.server.access.errors import api_errors
from bodhi.server.app import OPERATIONS, create_app
from bodhi.server.http.errors import StatusError
from bodhi.server.http.openapi import codes_of
from bodhi.settings import load_settings


@pytest.fixture
def app():
    """The application, not started."""
    return create_app(load_settings({"BODHI_SESSION_DB_URL": "sqlite::memory:"}))


@pytest.mark.parametrize(
    ("form", "path"), [("json", "docs/reference/openapi.json"), ("markdown", "docs/reference/api.md")]
)
def test_committed_api_description_is_current(root, form, path):
    """After a change: python -m bodhi openapi --format json|markdown writes them anew."""
    printed = CliRunner().invoke(cli, ["openapi", "--format", form]).stdout

    assert (root / path).read_text("utf-8") == printed


def test_the_document_is_valid(root):
    """By the specification's own schema."""
    OpenAPIV31SpecValidator(json.loads((root / "docs/reference/openapi.json").read_text("utf-8"))).validate()


def test_every_route_is_an_operation(app):
    """So that each has a declared gate, and a place in the description."""
    served = {(route.method, route.resource.canonical) for route in app.router.routes()}
    described = {(operation.method, operation.path) for operation in OPERATIONS}

    assert served == described | {("HEAD", path) for method, path in described if method == "GET"}


def test_every_error_code_belongs_to_an_operation():
    """A code that no route answers with is none."""
    used = {code for operation in OPERATIONS for codes in codes_of(operation).values() for code in codes}
    # What libraries raise, and services that are built on this one.
    codes = {error.code for error in api_errors() if not issubclass(error, StatusError)}
    for_others = {code for code in codes if code.startswith(("access_request_auth_error-", "token_scope_error-"))}
    for_others |= {code for code in codes if code.startswith(("user_scope_error-", "resource_scope_error-"))}

    assert set() == codes - used - {"route_error-malformed_request"} - for_others
