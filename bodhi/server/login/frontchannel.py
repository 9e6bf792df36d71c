"""Front-channel logout by the provider: OpenID Connect Front-Channel Logout 1.0.

The provider's logout page opens the address in a frame. Browsers send no SameSite cookie with that, so the sessions are
found by the provider's session id, which only the provider and its clients know.
"""

from typing import Annotated

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from bodhi.server.access.errors import NotSetUp
from bodhi.server.http.input import query_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.login.api import LOGIN
from bodhi.server.login.backchannel import end_provider_session
from bodhi.server.login.errors import UnknownIssuer
from bodhi.server.login.provider_origins import provider_origins

PATH = "/bodhi/v1/auth/frontchannel-logout"


class LogoutQuery(msgspec.Struct, frozen=True):
    """The provider's issuer and the id of its session: register this address as one that requires the session."""

    iss: str
    sid: Annotated[str, Meta(min_length=1, max_length=1_024, pattern=r"^[^\x00]*(?![\s\S])")]


async def frontchannel_logout(request: web.Request) -> web.Response:
    """End the sessions within the provider's session; an empty page, which the provider may show in a frame."""
    service, query = request.app[LOGIN], query_of(request, LogoutQuery)
    if service.provider is None:
        raise NotSetUp
    if query.iss != service.provider.issuer:
        raise UnknownIssuer
    if request.method == hdrs.METH_GET:
        await end_provider_session(request, query.sid, None, reason="frontchannel_logout")
    ancestors = " ".join(await provider_origins(service.provider))
    # Browsers offer other types than that of a page for download.
    response = web.Response(text="", content_type="text/html")
    response.headers["Content-Security-Policy"] = f"default-src 'none'; frame-ancestors {ancestors}"
    return response


OPERATIONS = (
    Operation(
        "GET",
        PATH,
        frontchannel_logout,
        PUBLIC,
        "End sessions on behalf of the identity provider, in a frame of its logout page",
        query=LogoutQuery,
        errors=(UnknownIssuer, NotSetUp),
        rate_limit="front-channel logouts",
    ),
)
