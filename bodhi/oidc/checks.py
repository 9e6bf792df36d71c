"""Single checks of what a token claims; each raises :exc:`UntrustedToken` with a reason that is fit for the log."""

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from typing import Any

from bodhi.oidc.claims import identifier, seconds
from bodhi.oidc.errors import UntrustedToken
from bodhi.oidc.signed_token import SignedToken

LEEWAY_SECONDS = 60  # how far the provider's clock may be ahead of ours

# By the end of the algorithm's name (OpenID Connect Core 3.1.3.6); the others, Ed25519 included, use SHA-512.
_SHA_2 = {"256": hashlib.sha256, "384": hashlib.sha384}


def check_kind(signed: SignedToken, *, headers: Collection[str], claimed: Collection[str]) -> None:
    """The token says nothing of itself, or only that it is of the kind that is wanted."""
    if signed.type not in {"", "jwt", *headers} or signed.claimed_type not in {"", "jwt", *claimed}:
        raise UntrustedToken("it is a token of another kind, as its typ says")


def check_party(payload: Mapping[str, Any], *, issuer: str, client_id: str) -> None:
    """``iss``, ``aud`` and ``azp``: it comes from *issuer*, for *client_id*."""
    audience = payload.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if payload.get("iss") != issuer:
        raise UntrustedToken("it is from another issuer, as its iss says")
    if not isinstance(audiences, list) or client_id not in audiences:
        raise UntrustedToken("it is for somebody else, as its aud says")
    # Core 3.1.3.7: with several audiences only ``azp`` tells whom it was made for.
    party = payload.get("azp")
    if party != client_id and (party is not None or len(audiences) != 1):
        raise UntrustedToken("it was issued to another client, as its azp says")


def check_issued(payload: Mapping[str, Any], now: float) -> int:
    """``iat``, which is not ahead of *now* by more than clocks differ."""
    issued_at = needed_seconds(payload, "iat")
    if issued_at > now + LEEWAY_SECONDS:
        raise UntrustedToken("it is from the future")
    if payload.get("nbf") is not None and needed_seconds(payload, "nbf") > now + LEEWAY_SECONDS:
        raise UntrustedToken("it is not valid yet")
    return issued_at


def check_nonce(payload: Mapping[str, Any], nonce: str) -> None:
    """``nonce`` is the one that went with the authorization request."""
    # Bytes: compare_digest takes no text beyond ASCII. An empty nonce is never usable, so it matches nothing.
    if not hmac.compare_digest(needed_text(payload, "nonce").encode(), nonce.encode()):
        raise UntrustedToken("it belongs to another login")


def check_token_hash(signed: SignedToken, access_token: str) -> None:
    """``at_hash``, where there is one, is the hash of *access_token*."""
    if signed.payload.get("at_hash") is None:
        return
    digest = _SHA_2.get(signed.algorithm[-3:], hashlib.sha512)(access_token.encode()).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(needed_text(signed.payload, "at_hash").encode(), expected):
        raise UntrustedToken("it belongs to another access token")


def needed_text(payload: Mapping[str, Any], name: str) -> str:
    """The text of a claim."""
    value = payload.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise UntrustedToken(f"it has no usable {name}")
    return value


def optional_text(payload: Mapping[str, Any], name: str) -> str | None:
    """The text of a claim that may be missing."""
    return None if payload.get(name) is None else needed_text(payload, name)


def needed_identifier(payload: Mapping[str, Any], name: str) -> str:
    """The text of a claim that may be a number."""
    value = identifier(payload.get(name))
    if value is None:
        raise UntrustedToken(f"it has no usable {name}")
    return value


def optional_identifier(payload: Mapping[str, Any], name: str) -> str | None:
    """The text of a claim that may be a number, or missing."""
    return None if payload.get(name) is None else needed_identifier(payload, name)


def needed_seconds(payload: Mapping[str, Any], name: str) -> int:
    """The seconds since 1970 of a claim."""
    value = seconds(payload.get(name))
    if value is None:
        raise UntrustedToken(f"it has no usable {name}")
    return value
