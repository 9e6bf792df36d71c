"""The management API for clients, roles, users and consents, which a Keycloak extension provides."""

import secrets
from typing import Any
from uuid import uuid4

from aiohttp import web

from bodhi.server.access.errors import ApiError
from bodhi.server.access.scopes import Role, parse_role
from bodhi.testing.identity_provider.accounts import Person
from bodhi.testing.identity_provider.clients import Client
from bodhi.testing.identity_provider.errors import OAuthError
from bodhi.testing.identity_provider.parameters import bearer_of, json_of
from bodhi.testing.identity_provider.realm import Realm

SERVICE_ACCOUNT_SCOPE = "service_account"


class Management:
    """Handles management calls, authenticated by bearer token and authorized by the caller's current role."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    async def register_client(self, request: web.Request) -> web.Response:
        """Register a client; requires no authentication."""
        body = await json_of(request, "name")
        uris = body.get("redirect_uris", [])
        if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
            raise OAuthError("invalid_request", "redirect_uris must be a list of strings")
        client = Client(
            f"resource-{uuid4()}",
            self._realm.secret(secrets.token_urlsafe(24)),
            name=body["name"],
            description=str(body.get("description") or ""),
            redirect_uris=tuple(uris),
            any_loopback=True,
        )
        self._realm.clients[client.client_id] = client
        answer = {"client_id": client.client_id, "client_secret": client.secret, "scope": client.scope}
        return web.json_response(answer, status=201)

    async def make_resource_admin(self, request: web.Request) -> web.Response:
        """Assign the first administrator; for the client's service account."""
        client = self._service_account(request)
        body = await json_of(request, "user_id")
        self._realm.accounts.assign(client.client_id, self._person(body["user_id"]).user_id, Role.ADMIN)
        return web.json_response({})

    async def assign_role(self, request: web.Request) -> web.Response:
        """Change a user's role at the client."""
        client = self._manager(request)
        body = await json_of(request, "user_id", "role")
        try:
            role = parse_role(body["role"])
        except ApiError:
            raise OAuthError("invalid_request", "there is no such role") from None
        self._realm.accounts.assign(client.client_id, self._person(body["user_id"]).user_id, role)
        return web.json_response({})

    async def remove_user(self, request: web.Request) -> web.Response:
        """Remove a user's role at the client."""
        client = self._manager(request)
        body = await json_of(request, "user_id")
        self._realm.accounts.assign(client.client_id, self._person(body["user_id"]).user_id, None)
        return web.json_response({})

    async def users(self, request: web.Request) -> web.Response:
        """List users with a role at the client; for managers, and for the service account if the realm allows it."""
        is_client = self._realm.clients_may_list_users and self._is_service_account(request)
        client = self._service_account(request) if is_client else self._manager(request)
        page, page_size = _positive(request, "page", 1), _positive(request, "page_size", 30)
        members = self._realm.accounts.members(client.client_id)
        pages = -(-len(members) // page_size)
        return web.json_response(
            {
                "client_id": client.client_id,
                "users": [_entry(*member) for member in members[(page - 1) * page_size : page * page_size]],
                "page": page,
                "page_size": page_size,
                "total_pages": pages,
                "total_users": len(members),
                "has_next": page < pages,
                "has_previous": page > 1,
            }
        )

    async def consent(self, request: web.Request) -> web.Response:
        """Store the calling user's consent and return its scope."""
        client, user_id = self._caller(request)
        body = await json_of(request, "app_client_id", "access_request_id")
        app = self._application(body["app_client_id"])
        consent = self._realm.consents.register(body["access_request_id"], app.client_id, user_id)
        return web.json_response(
            {
                "scope": client.scope,
                "access_request_id": consent.access_request_id,
                "access_request_scope": consent.scope,
            }
        )

    async def register_app_access(self, request: web.Request) -> web.Response:
        """Return the scope that puts the client into the audience of an application's tokens."""
        client = self._service_account(request)
        self._application((await json_of(request, "app_client_id"))["app_client_id"])
        return web.json_response({"scope": client.scope})

    async def app_info(self, request: web.Request) -> web.Response:
        """Return the name and description of an application."""
        self._caller(request)
        app = self._application(request.match_info["app_client_id"])
        return web.json_response({"client_id": app.client_id, "name": app.name, "description": app.description})

    def _caller(self, request: web.Request) -> tuple[Client, str]:
        """Return the client that the bearer token was issued to, and the token's subject."""
        claims = self._realm.read_access_token(bearer_of(request))
        client = self._realm.clients.get(str(claims.get("azp")))
        if client is None:
            raise OAuthError("invalid_token", "the token belongs to no client", status=401)
        return client, str(claims.get("sub"))

    def _is_service_account(self, request: web.Request) -> bool:
        client, subject = self._caller(request)
        return subject == f"service-account-{client.client_id}"

    def _service_account(self, request: web.Request) -> Client:
        client, subject = self._caller(request)
        claims = self._realm.read_access_token(bearer_of(request))
        if subject != f"service-account-{client.client_id}" or SERVICE_ACCOUNT_SCOPE not in claims["scope"].split():
            raise OAuthError("access_denied", "this is for the client's service account", status=403)
        return client

    def _manager(self, request: web.Request) -> Client:
        client, subject = self._caller(request)
        role = self._realm.accounts.role(client.client_id, subject)
        if role is None or not role.grants(Role.MANAGER):
            raise OAuthError("access_denied", "this is for managers and administrators", status=403)
        return client

    def _person(self, user_id: str) -> Person:
        person = self._realm.accounts.with_id(user_id)
        if person is None:
            raise OAuthError("not_found", "there is no such user", status=404)
        return person

    def _application(self, client_id: str) -> Client:
        client = self._realm.clients.get(client_id)
        if client is None:
            raise OAuthError("not_found", "there is no such application", status=404)
        return client


def _entry(person: Person, role: Role) -> dict[str, Any]:
    return {
        "user_id": person.user_id,
        "username": person.username,
        "first_name": person.given_name,
        "last_name": person.family_name,
        "role": str(role),
    }


def _positive(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise OAuthError("invalid_request", f"{name} must be a number from 1")
    return int(text)
