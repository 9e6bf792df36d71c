"""Authorization codes and refresh tokens: single-use; reuse revokes the whole token family."""

import secrets
from dataclasses import dataclass, field

from bodhi.testing.identity_provider.errors import OAuthError
from bodhi.testing.identity_provider.sessions import ProviderSession

CODE_SECONDS = 60


@dataclass(slots=True, eq=False)
class Family:
    """The tokens issued from one login at one client."""

    client_id: str
    session: ProviderSession
    scope: str
    nonce: str | None = None
    revoked: bool = False

    @property
    def is_live(self) -> bool:
        """Whether tokens may still be issued."""
        return not self.revoked and not self.session.ended


@dataclass(slots=True)
class _Code:
    family: Family
    redirect_uri: str
    challenge: str | None
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class _RefreshToken:
    family: Family
    expires_at: float
    used: bool = False


@dataclass(slots=True)
class Grants:
    """The codes and refresh tokens of a provider."""

    reuse_allowed: bool = False  # whether refresh tokens may be used repeatedly
    refresh_token_seconds: float = 30 * 86_400
    _codes: dict[str, _Code] = field(default_factory=dict, repr=False)
    _refresh_tokens: dict[str, _RefreshToken] = field(default_factory=dict, repr=False)

    def new_code(self, family: Family, *, redirect_uri: str, challenge: str | None, now: float) -> str:
        """Issue an authorization code."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(family, redirect_uri, challenge, now + CODE_SECONDS)
        return code

    def redeem(self, code: str, client_id: str, *, redirect_uri: str, challenge: str | None, now: float) -> Family:
        """Redeem a code. *challenge* is computed from the verifier in the request."""
        grant = self._codes.get(code)
        if grant is None or grant.family.client_id != client_id:
            raise OAuthError("invalid_grant", "Code not valid")
        if grant.used:
            grant.family.revoked = True
            raise OAuthError("invalid_grant", "Code already used")
        grant.used = True  # even if a check below fails
        if grant.expires_at < now:
            raise OAuthError("invalid_grant", "Code is expired")
        if grant.redirect_uri != redirect_uri:
            raise OAuthError("invalid_grant", "Incorrect redirect_uri")
        if grant.challenge != challenge:
            raise OAuthError("invalid_grant", "PKCE verification failed")
        return self._live(grant.family)

    def new_refresh_token(self, family: Family, now: float) -> str:
        """Issue a refresh token of *family*."""
        token = secrets.token_urlsafe(48)
        self._refresh_tokens[token] = _RefreshToken(family, now + self.refresh_token_seconds)
        return token

    def refresh(self, token: str, client_id: str, now: float) -> Family:
        """Use a refresh token and return its family."""
        grant = self._find(token, client_id)
        if grant.used and not self.reuse_allowed:
            grant.family.revoked = True
            raise OAuthError("invalid_grant", "Maximum allowed refresh token reuse exceeded")
        family = self.family_of(token, client_id, now)
        grant.used = True
        return family

    def family_of(self, token: str, client_id: str, now: float) -> Family:
        """Return the family of a refresh token without using it up."""
        grant = self._find(token, client_id)
        if grant.expires_at < now:
            raise OAuthError("invalid_grant", "Token is not active")
        return self._live(grant.family)

    def revoke(self, token: str, client_id: str) -> bool:
        """Revoke the family of a refresh token. False if it is not a refresh token of the client."""
        grant = self._refresh_tokens.get(token)
        if grant is None or grant.family.client_id != client_id:
            return False
        grant.family.revoked = True
        return True

    def _find(self, token: str, client_id: str) -> _RefreshToken:
        grant = self._refresh_tokens.get(token)
        if grant is None or grant.family.client_id != client_id:
            raise OAuthError("invalid_grant", "Invalid refresh token")
        return grant

    def _live(self, family: Family) -> Family:
        if not family.is_live:
            raise OAuthError("invalid_grant", "Session not active")
        return family
