"""Management API of a Keycloak realm with the bodhi extension: clients, roles, users and consents."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bodhi.oidc.errors import ProviderLacks, ProviderRefused
from bodhi.oidc.responses import AppInfo, ClientCredentials, Consent, RegisteredClient
from bodhi.oidc.token_endpoint import TokenEndpoint
from bodhi.oidc.transport import Answer, Transport

log = logging.getLogger(__name__)


class Management:
    """Management calls; each raises the errors of grants, and :exc:`ProviderLacks` if it is not supported."""

    def __init__(self, transport: Transport, grants: TokenEndpoint, *, base_url: str | None) -> None:
        """*base_url* is the realm's, or None without management calls."""
        self._transport = transport
        self._grants = grants
        self._base_url = base_url

    @property
    def manages_people(self) -> bool:
        """Whether management calls are enabled; an unsupported one still fails when it is made."""
        return self._base_url is not None

    async def register_client(self, *, name: str, description: str, redirect_uris: Sequence[str]) -> RegisteredClient:
        """Register a client for this server."""
        body = {"name": name, "description": description, "redirect_uris": list(redirect_uris)}
        return RegisteredClient(**await self._texts("resources", body, "client_id", "client_secret", "scope"))

    async def make_resource_admin(self, client: ClientCredentials, user_id: str) -> None:
        """Make the user an administrator of the client, authorized as the client itself: for the first one."""
        await self._post_json("resources/make-resource-admin", {"user_id": user_id}, await self._service_token(client))

    async def assign_role(self, token: str, user_id: str, role: str) -> None:
        """Give the user the role, authorized by *token*."""
        await self._post_json("resources/assign-role", {"user_id": user_id, "role": role}, token)

    async def remove_user(self, token: str, user_id: str) -> None:
        """Remove all roles of the user, authorized by *token*."""
        await self._post_json("resources/remove-user", {"user_id": user_id}, token)

    async def list_users(self, token: str, *, page: int, page_size: int) -> Mapping[str, Any]:
        """Return one page of users, as the provider sent it."""
        return await self._get("resources/users", token, page=page, page_size=page_size)

    async def consent(self, token: str, *, app_client_id: str, access_request_id: str, description: str) -> Consent:
        """Record that the owner of *token* lets an application act for them."""
        body = {"app_client_id": app_client_id, "access_request_id": access_request_id, "description": description}
        names = ("scope", "access_request_id", "access_request_scope")
        return Consent(**await self._texts("users/request-access", body, *names, token=token))

    async def register_app_access(self, client: ClientCredentials, *, app_client_id: str) -> str:
        """Let an application call this client; return the scope it has to request."""
        token = await self._service_token(client)
        body = {"app_client_id": app_client_id}
        return (await self._texts("resources/apps/request-access", body, "scope", token=token))["scope"]

    async def app_info(self, token: str, app_client_id: str) -> AppInfo:
        """Return an application's display name and description."""
        if app_client_id in {"", ".", ".."}:  # would change the path
            raise ProviderRefused(404, "not_found")
        return AppInfo.of(await self._get(f"users/apps/{quote(app_client_id, safe='')}/info", token))

    async def _service_token(self, client: ClientCredentials) -> str:
        self._url("")
        return await self._grants.service_token(client)

    async def _get(self, path: str, token: str, **query: int) -> Mapping[str, Any]:
        answer = await self._transport.get("management call", self._url(path), token=token, query=query)
        return _body(answer)

    async def _post_json(self, path: str, body: Mapping[str, Any], token: str | None) -> Answer:
        answer = await self._transport.post_json("management call", self._url(path), body, token=token)
        _check(answer)
        return answer

    async def _texts(self, path: str, body: Mapping[str, Any], *names: str, token: str | None = None) -> dict[str, str]:
        """Return the string members *names* of the response."""
        answer = await self._post_json(path, body, token)
        found = {name: (answer.body or {}).get(name) for name in names}
        if not all(isinstance(text, str) and text and "\0" not in text for text in found.values()):
            raise answer.unusable()
        return {name: str(text) for name, text in found.items()}

    def _url(self, path: str) -> str:
        if self._base_url is None:
            raise ProviderLacks
        return f"{self._base_url.removesuffix('/')}/bodhi/{path}"


def _body(answer: Answer) -> Mapping[str, Any]:
    _check(answer)
    if answer.body is None:
        raise answer.unusable()
    return answer.body


def _check(answer: Answer) -> None:
    # A 404 with an error code, such as user_not_found, is about the resource, not about the call.
    if answer.status in {405, 501} or (answer.status == 404 and not answer.error):
        log.warning("management call not supported by the identity provider status=%d", answer.status)
        raise ProviderLacks
    answer.checked()
