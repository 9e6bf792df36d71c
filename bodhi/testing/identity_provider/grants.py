"""Authorization codes and refresh tokens: each is good once, and a second use ends all that came of it."""

import secrets
from dataclasses import dataclass, field

from bodhi.testing.identity_provider.errors import OAuthError
from bodhi.testing.identity_provider.sessions import ProviderSession

CODE_SECONDS = 60


@dataclass(slots=True, eq=False)
class Family:
    """All tokens that came from one login at one client."""

    client_id: str
    session: ProviderSession
    scope: str
    nonce: str | None = None
    revoked: bool = False

    @property
    def is_live(self) -> bool:
        """Whether it still gives tokens."""
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
    """The codes and refresh tokens of one provider."""

    reuse_allowed: bool = False  # whether a refresh token is good any number of times
    refresh_token_seconds: float = 30 * 86_400
    _codes: dict[str, _Code] = field(default_factory=dict, repr=False)
    _refresh_tokens: dict[str, _RefreshToken] = field(default_factory=dict, repr=False)

    def new_code(self, family: Family, *, redirect_uri: str, challenge: str | None, now: float) -> str:
        """An authorization code."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = _Code(family, redirect_uri, challenge, now + CODE_SECONDS)
        return code

    def redeem(self, code: str, client_id: str, *, redirect_uri: str, challenge: str | None, now: float) -> Family:
        """What a code stands for; *challenge* was computed from the verifier that came with it."""
        found = self._codes.get(code)
        if found is None or found.family.client_id != client_id:
            raise OAuthError("invalid_grant", "Code not valid")
        if found.used:
            found.family.revoked = True
            raise OAuthError("invalid_grant", "Code already used")
        found.used = True  # also when what follows refuses it
        if found.expires_at < now:
            raise OAuthError("invalid_grant", "Code is expired")
        if found.redirect_uri != redirect_uri:
            raise OAuthError("invalid_grant", "Incorrect redirect_uri")
        if found.challenge != challenge:
            raise OAuthError("invalid_grant", "PKCE verification failed")
        return self._live(found.family)

    def new_refresh_token(self, family: Family, now: float) -> str:
        """A further refresh token of *family*."""
        token = secrets.token_urlsafe(48)
        self._refresh_tokens[token] = _RefreshToken(family, now + self.refresh_token_seconds)
        return token

    def refresh(self, token: str, client_id: str, now: float) -> Family:
        """What a refresh token stands for; it is used up."""
        found = self._known(token, client_id)
        if found.used and not self.reuse_allowed:
            found.family.revoked = True
            raise OAuthError("invalid_grant", "Maximum allowed refresh token reuse exceeded")
        family = self.family_of(token, client_id, now)
        found.used = True
        return family

    def family_of(self, token: str, client_id: str, now: float) -> Family:
        """What a refresh token stands for; it stays good."""
        found = self._known(token, client_id)
        if found.expires_at < now:
            raise OAuthError("invalid_grant", "Token is not active")
        return self._live(found.family)

    def revoke(self, token: str, client_id: str) -> bool:
        """Whether this was a refresh token of the client; its whole family has ended then."""
        found = self._refresh_tokens.get(token)
        if found is None or found.family.client_id != client_id:
            return False
        found.family.revoked = True
        return True

    def _known(self, token: str, client_id: str) -> _RefreshToken:
        found = self._refresh_tokens.get(token)
        if found is None or found.family.client_id != client_id:
            raise OAuthError("invalid_grant", "Invalid refresh token")
        return found

    def _live(self, family: Family) -> Family:
        if not family.is_live:
            raise OAuthError("invalid_grant", "Session not active")
        return family
