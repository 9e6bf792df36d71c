"""The documentation page of the API, made of the same table of operations as its routes."""

from collections.abc import Iterable, Iterator
from typing import Any, get_args

from bodhi.server.access.errors import ApiError, api_errors
from bodhi.server.access.gate import Gate
from bodhi.server.http.errors import StatusError
from bodhi.server.http.openapi import codes_of, document
from bodhi.server.http.operations import Access, Operation

INTRODUCTION = """\
# API

<!-- Made by `python -m bodhi openapi --format markdown`; do not edit. -->

Every address that `python -m bodhi serve` answers. The same as [OpenAPI 3.1](openapi.json) is served at
`/bodhi/v1/openapi.json` and printed by `python -m bodhi openapi`. Bodies are JSON; what all answers have in common
is in [HTTP](http.md).

Who may use a route:

- *anybody*: nobody is asked who they are.
- *optional*: whoever it is; a bad credential makes the caller anonymous.
- Otherwise the least role of a session, and the least scope of an API token (`scope_token_…`) or of another application
  (`scope_user_…`) where those are accepted at all.
- *recent*: a session whose sign-in is older than `BODHI_AUTH_RECENT_SECONDS` is refused with
  `auth_error-recent_login_required` (403), whose `param.login` is the page to sign in again. A program that shows pages
  of its own begins that login with `POST /bodhi/v1/auth/initiate?recent=true`.

Unsafe methods (all but GET, HEAD and OPTIONS) are refused with `auth_error-cross_site_request` when they come from
another site; requests with a bearer token are exempt. Browsers say where they come from. A program that sends the
session's cookie has to say so as well, with `Sec-Fetch-Site: same-origin` or with this server's address, as browsers
see it, in `Origin` (`http://localhost:1135`).
"""


def page(operations: Iterable[Operation]) -> str:
    """The page, as Markdown."""
    told = list(operations)
    api = [operation for operation in told if operation.in_document]
    pages = [operation for operation in told if not operation.in_document]
    blocks = [
        INTRODUCTION.rstrip(),
        "## Routes\n\n| route | who | what | answers |\n|---|---|---|---|\n" + "\n".join(map(_row, api)),
        "## Pages\n\n| route | who | what |\n|---|---|---|\n" + "\n".join(map(_page_row, pages)),
        "## Bodies\n\n" + "\n\n".join(_bodies(api)),
        "## Errors\n\nCodes beside those that say what the status says.\n\n"
        "| `code` | status | meaning |\n|---|---|---|\n"
        + "\n".join(f"| `{error.code}` | {error.status} | {error.default_message()} |" for error in _documented()),
        "## Errors of each route\n\n" + "\n".join(_errors(api)),
    ]
    return "\n\n".join(blocks)


def _row(operation: Operation) -> str:
    answers = ", ".join(f"{status}{_named(kind)}" for status, kind in operation.responses.items())
    return f"| `{operation.method} {operation.path}` | {_who(operation)} | {operation.summary} | {answers} |"


def _page_row(operation: Operation) -> str:
    return f"| `{operation.method} {operation.path}` | {_who(operation)} | {operation.summary} |"


def _who(operation: Operation) -> str:
    if not isinstance(operation.access, Gate):
        return "anybody" if operation.access is Access.PUBLIC else "optional"
    gate = operation.access
    who = ", ".join(f"`{least}`" for least in (gate.role, gate.token_scope, gate.user_scope) if least is not None)
    recent = gate.recent_login_from
    if recent is None:
        return who
    return f"{who}, *recent*" if recent.rank <= gate.role.rank else f"{who}, *recent* from `{recent}` on"


def _named(kind: Any) -> str:
    names = [getattr(one, "__name__", str(one)) for one in (get_args(kind) or (kind,)) if one is not None]
    return f" {' or '.join(f'`{name}`' for name in names)}" if names else ""


def _bodies(operations: Iterable[Operation]) -> Iterator[str]:
    for name, schema in document(operations, version="")["components"]["schemas"].items():
        lines = [f"### `{name}`", "", schema.get("description", "").strip().partition("\n")[0], ""]
        required = schema.get("required", ())
        for field, of in schema.get("properties", {}).items():
            lines.append(f"- `{field}`: {_schema_name(of)}{'' if field in required else ', optional'}")
        yield "\n".join(lines).rstrip()


def _schema_name(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(_schema_name(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_schema_name(schema.get('items', {}))}"
    if schema.get("format") == "date-time":
        return "time"
    kind = str(schema.get("type", "any JSON"))
    return {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(kind, kind)


def _errors(operations: Iterable[Operation]) -> Iterator[str]:
    for operation in operations:
        own = {error.code for error in operation.errors}
        codes = [code for codes in codes_of(operation).values() for code in codes if code in own]
        if codes:
            yield f"- `{operation.method} {operation.path}`: {', '.join(f'`{code}`' for code in codes)}"


def _documented() -> list[type[ApiError]]:
    """Every error but those that only name their status, by code."""
    found = [error for error in api_errors() if not issubclass(error, StatusError)]
    return sorted(found, key=lambda error: (error.code, error.status))
