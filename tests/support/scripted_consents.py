"""A scripted in-process identity provider for consents and application info."""

import asyncio

from bodhi.oidc.errors import ProviderError
from bodhi.oidc.responses import AppInfo, ClientCredentials, Consent

SCOPE = "scope_resource-bodhi"


class ScriptedConsents:
    """Registers every consent.

    While *failure* is set, every call raises it. *consent_id* and *scope* replace the correct values. Calls wait until
    *is_responding* is set; *was_called* is set by the first call.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.failure: ProviderError | None = None
        self.consent_id: str | None = None
        self.scope: str | None = None
        self.info = AppInfo("The App", "Prints.")
        self.was_called = asyncio.Event()
        self.is_responding = asyncio.Event()
        self.is_responding.set()

    async def register_app_access(self, client: ClientCredentials, *, app_client_id: str) -> str:
        """Return the server's scope."""
        await self._record("register", client.client_id, app_client_id)
        return SCOPE

    async def consent(self, token: str, *, app_client_id: str, access_request_id: str, description: str) -> Consent:
        """Return a consent whose scope contains the request id."""
        assert description
        await self._record("consent", token, app_client_id, access_request_id)
        scope = self.scope or f"scope_access_request:{access_request_id}"
        return Consent(SCOPE, self.consent_id or access_request_id, scope)

    async def app_info(self, token: str, app_client_id: str) -> AppInfo:
        """Return the application's name and description."""
        await self._record("info", token, app_client_id)
        return self.info

    async def _record(self, *arguments: str) -> None:
        self.calls.append(arguments)
        self.was_called.set()
        await self.is_responding.wait()
        if self.failure is not None:
            raise self.failure
