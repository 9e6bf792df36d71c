"""An identity provider of the test's own, and the part of a client that tests play."""

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
    """A running provider; a conftest imports this fixture to have it."""
    async with DevelopmentProvider() as provider:
        yield provider


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorization_url(provider: DevelopmentProvider, **changes: str | None) -> str:
    """A sound authorization request with VERIFIER's challenge and to CALLBACK, but for *changes*; None leaves out."""
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
    """The parameters with which a browser is sent back."""
    return dict(parse_qsl(urlsplit(url).query))
