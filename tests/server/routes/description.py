"""Compare responses with the API description."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from bodhi.server.app import OPERATIONS
from bodhi.server.http.openapi import document


def faults_of(name: str, status: int, content_type: str, content: Any) -> Iterator[str]:
    """Return how a response deviates from the description of its operation.

    *content* is its JSON, or None where it has no body.
    """
    method, path = name.split()
    operation = _description()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return  # a page for people
    described = operation["responses"].get(str(status))
    if described is None:
        yield f"{status} is not described"
        return
    kinds = described.get("content", {})
    if (content is not None) != bool(kinds):
        yield "a body that is not described" if content is not None else "no body"
    elif kinds and content_type not in kinds:
        yield f"{content_type} is not described"
    elif kinds:
        schema = {**kinds[content_type]["schema"], "components": _description()["components"]}
        yield from (error.message for error in Draft202012Validator(schema).iter_errors(content))


@cache
def _description() -> dict[str, Any]:
    return document(OPERATIONS, version="1")
