"""Parse the parameters and credentials of requests."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import hdrs, web

from bodhi.testing.identity_provider.errors import OAuthError


async def parameters_of(request: web.Request) -> dict[str, str]:
    """Return the parameters of query and form; duplicates are invalid (RFC 6749, section 3.1)."""
    items = [*request.query.items(), *(await request.post()).items()]
    names = [name for name, _ in items]
    if len(set(names)) < len(names):
        raise OAuthError("invalid_request", "a parameter came twice")
    return {name: value for name, value in items if isinstance(value, str) and value}


def credentials_of(request: web.Request, parameters: Mapping[str, str]) -> tuple[str, str | None, str]:
    """Return the client id, the secret and the method, from the header or the form."""
    scheme, _, encoded = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "basic":
        secret = parameters.get("client_secret")
        return parameters.get("client_id", ""), secret, "none" if secret is None else "client_secret_post"
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise OAuthError("invalid_client", "the header cannot be read", status=401) from None
    return unquote_plus(client_id), unquote_plus(secret), "client_secret_basic"


def bearer_of(request: web.Request) -> str:
    """Return the bearer token, or ""."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def json_of(request: web.Request, *names: str) -> dict[str, Any]:
    """Return the JSON object of the body, which must have a string under each of *names*."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in names):
        raise OAuthError("invalid_request", f"a JSON object with {', '.join(names)} is needed")
    return body
