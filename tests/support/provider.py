"""The provider fixture, and helpers for tests that act as an OAuth client."""

import base64
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from bodhi.testing import DevelopmentProvider

VERIFIER = "v" * 43
CALLBACK = "http://localhost:1135/ui/auth/callback"


@pytest.fixture
async def provider() -> AsyncIterator[DevelopmentProvider]:
    """A running provider; conftests import this fixture."""
    async with DevelopmentProvider() as provider:
        yield provider


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_url(provider: DevelopmentProvider, **changes: str | None) -> str:
    """Return a valid authorization URL for VERIFIER and CALLBACK, with *changes*; None removes a parameter."""
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid email profile roles",
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **changes,
    }
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{provider.issuer}/protocol/openid-connect/auth?{query}"


def answer_in(url: str) -> dict[str, str]:
    """Return the parameters of a redirect URL."""
    return dict(parse_qsl(urlsplit(url).query))
