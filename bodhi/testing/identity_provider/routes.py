"""The routes of the provider. A route's name identifies its calls in counts and faults."""

from aiohttp import web
from aiohttp.typedefs import Handler

from bodhi.testing.identity_provider import pages
from bodhi.testing.identity_provider.authorization import Authorization
from bodhi.testing.identity_provider.ending import Ending
from bodhi.testing.identity_provider.management import Management
from bodhi.testing.identity_provider.metadata import PROTOCOL, Metadata
from bodhi.testing.identity_provider.realm import Realm
from bodhi.testing.identity_provider.token_endpoint import TokenEndpoint
from bodhi.urls import is_loopback


def routes(realm: Realm, base: str, authorization: Authorization, ending: Ending) -> list[web.RouteDef]:
    """Return all routes; *base* is the path of the issuer."""
    metadata, management = Metadata(realm), Management(realm)
    resources = f"{base}/bodhi/resources"
    return [
        web.get("/", pages.front, name="front"),
        web.get(pages.STYLE_PATH, pages.style, name="style"),
        web.get(f"{base}/.well-known/openid-configuration", metadata.discovery, name="discovery"),
        web.get(f"{base}{PROTOCOL}/certs", metadata.certs, name="certs"),
        *_get_and_post(f"{base}{PROTOCOL}/userinfo", metadata.userinfo, "userinfo"),
        *_get_and_post(f"{base}{PROTOCOL}/auth", authorization.authorize, "authorize"),
        web.post(f"{base}{pages.LOGIN_PATH}", authorization.log_in, name="log_in"),
        web.post(f"{base}{PROTOCOL}/token", TokenEndpoint(realm).issue, name="token"),
        web.post(f"{base}{PROTOCOL}/revoke", ending.revoke, name="revoke"),
        *_get_and_post(f"{base}{PROTOCOL}/logout", ending.log_out, "log_out"),
        web.post(resources, management.register_client, name="register_client"),
        web.post(f"{resources}/make-resource-admin", management.make_resource_admin, name="make_resource_admin"),
        web.post(f"{resources}/assign-role", management.assign_role, name="assign_role"),
        web.post(f"{resources}/remove-user", management.remove_user, name="remove_user"),
        web.get(f"{resources}/users", management.users, name="users"),
        web.post(f"{resources}/apps/request-access", management.register_app_access, name="register_app_access"),
        web.post(f"{base}/bodhi/users/request-access", management.consent, name="consent"),
        web.get(f"{base}/bodhi/users/apps/{{app_client_id}}/info", management.app_info, name="app_info"),
    ]


@web.middleware
async def local_host_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject requests with a foreign Host header, against DNS rebinding."""
    if not is_loopback(request.url.host or ""):
        return pages.error_page("This provider answers under the name of this machine alone.")
    return await handler(request)


def _get_and_post(path: str, handler: Handler, name: str) -> list[web.RouteDef]:
    return [web.get(path, handler, name=name), web.post(path, handler)]
