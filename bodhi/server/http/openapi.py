"""OpenAPI 3.1 document, generated from the operations that also define the routes and gates."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from bodhi.server.access.errors import (
    AccessNotApproved,
    AccessOfAnotherApp,
    AccessOfAnotherUser,
    AccessRequestIdMismatch,
    AccessScopeNotFound,
    ApiError,
    DatabaseUnavailable,
    Forbidden,
    InvalidAudience,
    InvalidAuthorizationHeader,
    InvalidIssuer,
    InvalidSignature,
    InvalidToken,
    LoginEnded,
    MissingAuthentication,
    NoRole,
    NotAllowed,
    NotSetUp,
    NotSignedIn,
    ProviderUnavailable,
    RecentLoginRequired,
    RefreshRefused,
    TokenExpired,
    TokenInactive,
    TooManyRequests,
    UnknownRole,
)
from bodhi.server.access.gate import Gate
from bodhi.server.http.errors import STATUS_ERRORS
from bodhi.server.http.operations import Access, Operation
from bodhi.server.http.request_errors import CrossSiteRequest, InvalidRequest, SessionEnded, SessionStoreUnavailable

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ERROR_SCHEMA = "#/components/schemas/Error"
REFERENCE = "#/components/schemas/{name}"

# Errors that the guard and the request filters can return for any operation.
_FILTERS = (STATUS_ERRORS[400], STATUS_ERRORS[421])
_CROSS_SITE = (CrossSiteRequest,)
_INPUT = (InvalidRequest,)
_BODY = (STATUS_ERRORS[413],)
_STORES = (SessionStoreUnavailable, DatabaseUnavailable)
_GATE = (
    NotSignedIn,
    NoRole,
    TokenInactive,
    LoginEnded,
    RefreshRefused,
    NotAllowed,
    InvalidAuthorizationHeader,
    SessionEnded,
    NotSetUp,
    ProviderUnavailable,
    InvalidToken,
    InvalidSignature,
    InvalidIssuer,
    InvalidAudience,
    TokenExpired,
    AccessScopeNotFound,
    AccessNotApproved,
    AccessOfAnotherApp,
    AccessOfAnotherUser,
    AccessRequestIdMismatch,
    MissingAuthentication,
    Forbidden,
)


class ErrorDetails(msgspec.Struct, omit_defaults=True):
    """Details of an error: ``code`` is stable and meant for programs, ``message`` for people."""

    message: str
    type: str
    code: str
    param: dict[str, str] = {}


class Error(msgspec.Struct):
    """Error envelope, the same for every error."""

    error: ErrorDetails


def document(operations: Iterable[Operation], *, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of *operations*, without pages."""
    documented = [operation for operation in operations if operation.in_document]
    schemas, components = _schemas(documented)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in documented:
        paths[operation.path][operation.method.lower()] = _operation_object(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "bodhi",
            "version": version,
            "description": "Server-side sessions, logins through an OpenID Connect provider, API tokens and gates.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "bodhiapp_session_id",
                    "description": "The session cookie; on HTTPS its name has the prefix __Host-.",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token, or an access token that the provider issued to another application.",
                },
            },
        },
    }


def codes_of(operation: Operation) -> Mapping[int, list[str]]:
    """Return all error codes of *operation*, by status."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for error in dict.fromkeys(_errors(operation)):
        by_status[error.status].append(error.code)
    return dict(sorted(by_status.items()))


def _errors(operation: Operation) -> Iterator[type[ApiError]]:
    yield from _FILTERS
    if operation.method not in SAFE_METHODS:
        yield from _CROSS_SITE
    if isinstance(operation.access, Gate):
        yield from _GATE
        yield UnknownRole
        if operation.access.recent_login_from is not None:
            yield RecentLoginRequired
    if operation.access is not Access.PUBLIC:
        yield from _STORES
    if operation.access is not Access.PUBLIC or operation.rate_limit is not None:
        yield TooManyRequests
    if operation.body or operation.form or operation.query or operation.parameters:
        yield from _INPUT
    if operation.body or operation.form:
        yield from _BODY
    yield from operation.errors


def _schemas(operations: Iterable[Operation]) -> tuple[dict[Any, Any], dict[str, Any]]:
    types: list[Any] = [Error]
    for operation in operations:
        types += [kind for kind in (operation.body, operation.form) if kind is not None]
        types += [kind for kind in operation.responses.values() if kind is not None]
    distinct = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(distinct, ref_template=REFERENCE)
    return dict(zip(distinct, schemas, strict=True)), dict(sorted(components.items()))


def _operation_object(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "tags": [_tag(operation.path)],
        "security": _security(operation),
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": _responses(operation, schemas),
    }
    if operation.body is not None:
        content = {"application/json": {"schema": schemas[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    if operation.form is not None:
        content = {"application/x-www-form-urlencoded": {"schema": schemas[operation.form]}}
        described["requestBody"] = {"required": True, "content": content}
    if isinstance(operation.access, Gate):
        described["description"] = _requirements(operation.access)
    return described


def _operation_id(operation: Operation) -> str:
    return f"{operation.handler.__module__.split('.')[-2]}_{operation.handler.__name__}"


def _tag(path: str) -> str:
    parts = path.removeprefix("/bodhi/v1").strip("/").split("/")
    return parts[0]


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    access = operation.access
    if access is Access.PUBLIC:
        return []
    if access is Access.OPTIONAL:
        return [{}, {"session": []}, {"bearer": []}]
    assert isinstance(access, Gate)
    bearer: list[dict[str, list[str]]] = [{"bearer": []}] if access.token_scope or access.user_scope else []
    return [{"session": []}, *bearer]


def _requirements(gate: Gate) -> str:
    accepted = [f"a session with {gate.role}"]
    accepted += [f"an API token with {gate.token_scope}"] if gate.token_scope else []
    accepted += [f"an application with {gate.user_scope}"] if gate.user_scope else []
    recent = gate.recent_login_from
    condition = "" if recent is None else f" From {recent} on, the session's sign-in has to be recent."
    return f"Requires {', or '.join(accepted)}.{condition}"


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)[^}]*\}", operation.path):
        schema = msgspec.json.schema(operation.parameters.get(name, str))
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    if operation.query is None:
        return
    _, components = msgspec.json.schema_components([operation.query], ref_template=REFERENCE)
    schema = components[operation.query.__name__]
    for name, kind in schema["properties"].items():
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": kind}


def _responses(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, kind in operation.responses.items():
        responses[str(status)] = {"description": "Success."}
        if kind is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": schemas[kind]}}
    for status, codes in codes_of(operation).items():
        responses[str(status)] = {
            "description": "One of: " + ", ".join(f"`{code}`" for code in codes),
            "content": {"application/json": {"schema": {"$ref": ERROR_SCHEMA}}},
        }
    return responses
