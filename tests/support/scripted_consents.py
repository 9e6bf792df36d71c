"""An identity provider's calls about applications, in this process: it does what a test says."""

import asyncio

from bodhi.oidc.errors import ProviderError
from bodhi.oidc.responses import AppInfo, ClientCredentials, Consent

SCOPE = "scope_resource-bodhi"


class ScriptedConsents:
    """Consents to everything.

    *failure* is raised by every call while it is set; *noted_id* and *scope* are answered in the place of what is
    right; *is_answering* holds answers back until it is set, and *was_asked* tells that somebody waits for one.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.failure: ProviderError | None = None
        self.noted_id: str | None = None
        self.scope: str | None = None
        self.info = AppInfo("The App", "Prints.")
        self.was_asked = asyncio.Event()
        self.is_answering = asyncio.Event()
        self.is_answering.set()

    async def register_app_access(self, client: ClientCredentials, *, app_client_id: str) -> str:
        """The server's scope."""
        await self._called("register", client.client_id, app_client_id)
        return SCOPE

    async def consent(self, token: str, *, app_client_id: str, access_request_id: str, description: str) -> Consent:
        """A consent whose scope has the request's id."""
        assert description
        await self._called("consent", token, app_client_id, access_request_id)
        scope = self.scope or f"scope_access_request:{access_request_id}"
        return Consent(SCOPE, self.noted_id or access_request_id, scope)

    async def app_info(self, token: str, app_client_id: str) -> AppInfo:
        """The application's name and description."""
        await self._called("info", token, app_client_id)
        return self.info

    async def _called(self, *told: str) -> None:
        self.asked.append(told)
        self.was_asked.set()
        await self.is_answering.wait()
        if self.failure is not None:
            raise self.failure
