"""Checks of single claims; each raises :exc:`UntrustedToken` with a reason that is safe to log."""

import base64
import hashlib
import hmac
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from bodhi.oidc.claim_values import identifier, nonempty_text, seconds
from bodhi.oidc.errors import UntrustedToken
from bodhi.oidc.signed_token import SignedToken

Value = TypeVar("Value")

LONGEST_SUBJECT = 1_024  # bytes; OpenID Connect Core 2 allows 255
LEEWAY_SECONDS = 60  # accepted difference between the provider's clock and ours
CHECK_CLOCKS = "synchronize this server's clock and the provider's"

_LONGEST_QUOTED = 200  # characters of a claim in a message

log = logging.getLogger(__name__)

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
        raise UntrustedToken(f"iss is {_quoted(payload.get('iss'))}, but BODHI_AUTH_ISSUER is {issuer}")
    if not isinstance(audiences, list) or client_id not in audiences:
        raise UntrustedToken(f"aud is {_quoted(audience)}, without the client id {client_id}")
    party = payload.get("azp")
    if party is not None and party != client_id:
        raise UntrustedToken(f"azp is {_quoted(party)}, but the client id is {client_id}")
    if party is None and len(audiences) > 1:
        # Core 3.1.3.7 only recommends azp, and some providers list the APIs that a client may call.
        log.info("token accepted for several audiences without azp: %s", _quoted(audiences))


def check_issued(payload: Mapping[str, Any], now: float) -> int:
    """Return ``iat``; check that it and ``nbf`` are not in the future, allowing for clock skew."""
    issued_at = required_seconds(payload, "iat")
    check_started("iat", issued_at, now)
    if payload.get("nbf") is not None:
        check_started("nbf", required_seconds(payload, "nbf"), now)
    return issued_at


def check_started(name: str, seconds: int, now: float) -> None:
    """Check that the time claim *name* is not in the future, allowing for clock skew."""
    if seconds > now + LEEWAY_SECONDS:
        raise UntrustedToken(f"{name} is {seconds - now:.0f} s in the future: {CHECK_CLOCKS}")


def check_unexpired(payload: Mapping[str, Any], now: float) -> None:
    """Check ``exp``, allowing for clock skew."""
    past_seconds = now - required_seconds(payload, "exp")
    if past_seconds > LEEWAY_SECONDS:
        raise UntrustedToken(f"expired {past_seconds:.0f} s ago: {CHECK_CLOCKS}")


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


def required_subject(payload: Mapping[str, Any]) -> str:
    """Return ``sub``, if it is not too long for the user of a session."""
    subject = required_text(payload, "sub")
    if len(subject.encode()) > LONGEST_SUBJECT:
        raise UntrustedToken(f"sub is longer than {LONGEST_SUBJECT} bytes")
    return subject


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


def _quoted(claim: object) -> str:
    text = str(claim)[:_LONGEST_QUOTED]
    return text if text.isprintable() else ascii(text)
