"""Checks of single claims; each raises :exc:`UntrustedToken` with a reason that is safe to log."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from bodhi.oidc.claim_values import identifier, nonempty_text, seconds
from bodhi.oidc.errors import UntrustedToken
from bodhi.oidc.signed_token import SignedToken

Value = TypeVar("Value")

LEEWAY_SECONDS = 60  # accepted difference between the provider's clock and ours

# By the suffix of the algorithm's name (OpenID Connect Core 3.1.3.6); the others, Ed25519 included, use SHA-512.
_SHA_2 = {"256": hashlib.sha256, "384": hashlib.sha384}


def check_kind(signed: SignedToken, *, headers: Collection[str], claimed: Collection[str]) -> None:
    """Check ``typ`` in the header and among the claims: absent, generic, or one of the expected values."""
    if signed.type not in {"", "jwt", *headers} or signed.claimed_type not in {"", "jwt", *claimed}:
        raise UntrustedToken("typ names another kind of token")


def check_party(payload: Mapping[str, Any], *, issuer: str, client_id: str) -> None:
    """Check ``iss``, ``aud`` and ``azp``: issued by *issuer* to *client_id*."""
    audience = payload.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if payload.get("iss") != issuer:
        raise UntrustedToken("iss names another issuer")
    if not isinstance(audiences, list) or client_id not in audiences:
        raise UntrustedToken("aud does not contain this client")
    # Core 3.1.3.7: with several audiences, only ``azp`` identifies the client it was issued to.
    party = payload.get("azp")
    if party != client_id and (party is not None or len(audiences) != 1):
        raise UntrustedToken("azp names another client")


def check_issued(payload: Mapping[str, Any], now: float) -> int:
    """Return ``iat``; check that it and ``nbf`` are not in the future, allowing for clock skew."""
    issued_at = required_seconds(payload, "iat")
    if issued_at > now + LEEWAY_SECONDS:
        raise UntrustedToken("iat is in the future")
    if payload.get("nbf") is not None and required_seconds(payload, "nbf") > now + LEEWAY_SECONDS:
        raise UntrustedToken("nbf is in the future")
    return issued_at


def check_nonce(payload: Mapping[str, Any], nonce: str) -> None:
    """Check that ``nonce`` is the one sent with the authorization request."""
    # Bytes: compare_digest refuses non-ASCII str. An empty nonce is refused before it is compared.
    if not hmac.compare_digest(required_text(payload, "nonce").encode(), nonce.encode()):
        raise UntrustedToken("nonce belongs to another login")


def check_token_hash(signed: SignedToken, access_token: str) -> None:
    """Check that ``at_hash``, if present, is the hash of *access_token*."""
    if signed.payload.get("at_hash") is None:
        return
    digest = _SHA_2.get(signed.algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(required_text(signed.payload, "at_hash").encode(), expected):
        raise UntrustedToken("at_hash belongs to another access token")


def required_text(payload: Mapping[str, Any], name: str) -> str:
    """Return the text of a claim."""
    return _required(payload, name, nonempty_text)


def optional_text(payload: Mapping[str, Any], name: str) -> str | None:
    """Return the text of a claim, or None if it is missing."""
    return None if payload.get(name) is None else required_text(payload, name)


def required_identifier(payload: Mapping[str, Any], name: str) -> str:
    """Return a claim that is text or a number, as text."""
    return _required(payload, name, identifier)


def optional_identifier(payload: Mapping[str, Any], name: str) -> str | None:
    """Return a claim that is text or a number, as text, or None if it is missing."""
    return None if payload.get(name) is None else required_identifier(payload, name)


def required_seconds(payload: Mapping[str, Any], name: str) -> int:
    """Return a time claim in seconds since 1970."""
    return _required(payload, name, seconds)


def _required(payload: Mapping[str, Any], name: str, read: Callable[[object], Value | None]) -> Value:
    value = read(payload.get(name))
    if value is None:
        raise UntrustedToken(f"{name} is missing or invalid")
    return value
