"""Consents that users gave to applications."""

from dataclasses import dataclass
from uuid import uuid4

from bodhi.testing.identity_provider.errors import OAuthError

SCOPE_PREFIX = "scope_access_request:"


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent: the application may request *scope* for this user."""

    scope: str
    access_request_id: str
    app_client_id: str
    user_id: str


class Consents:
    """All consents, by scope."""

    def __init__(self) -> None:
        self._by_scope: dict[str, Consent] = {}

    def register(self, access_request_id: str, app_client_id: str, user_id: str) -> Consent:
        """Return the consent of this id, created if new; raise ``conflict`` for another user or application."""
        for known in self._by_scope.values():
            if known.access_request_id == access_request_id:
                if (known.app_client_id, known.user_id) != (app_client_id, user_id):
                    raise OAuthError("conflict", "the access request is known with other values", status=409)
                return known
        consent = Consent(f"{SCOPE_PREFIX}{uuid4()}", access_request_id, app_client_id, user_id)
        self._by_scope[consent.scope] = consent
        return consent

    def of_scope(self, scope: str) -> Consent | None:
        """Return the consent that granted a scope, or None."""
        return self._by_scope.get(scope)
