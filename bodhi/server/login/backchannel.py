"""Back-channel logout by the provider: OpenID Connect Back-Channel Logout 1.0."""

import time

import msgspec
from aiohttp import web

from bodhi.oidc.errors import TokenError
from bodhi.oidc.responses import LogoutToken
from bodhi.server.access.errors import NotSetUp, ProviderUnavailable
from bodhi.server.http.input import body_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.responses import empty_response
from bodhi.server.login.api import LOGIN, LoginService
from bodhi.server.login.errors import InvalidLogoutToken
from bodhi.session import SESSIONS

PATH = "/bodhi/v1/auth/backchannel-logout"
BY = "the identity provider"


class LogoutForm(msgspec.Struct):
    """The form that the provider sends."""

    logout_token: str


async def backchannel_logout(request: web.Request) -> web.Response:
    """End the sessions that a logout token names; other nodes see it at once, since no node caches sessions.

    After a failure the provider can retry with the same token; a processed token is refused.
    """
    service = request.app[LOGIN]
    token = await _verify(request, service)
    if token.expires_at < time.time() or not await service.provider_sessions.claim_once(token.jti, token.expires_at):
        raise InvalidLogoutToken
    try:
        await _end_sessions(request, service, token)
    except BaseException:
        await service.provider_sessions.forget_token(token.jti)
        raise
    return empty_response()


async def _verify(request: web.Request, service: LoginService) -> LogoutToken:
    instance = await service.instances.current()
    if instance is None or service.provider is None:
        raise NotSetUp
    form = body_of(request, LogoutForm)
    try:
        return await service.provider.verifier.logout_token(form.logout_token, client_id=instance.client_id)
    except TokenError as error:
        raise InvalidLogoutToken from error


async def _end_sessions(request: web.Request, service: LoginService, token: LogoutToken) -> None:
    """End the sessions within the provider's session if they are known, or else all sessions of the user."""
    sessions = request.app[SESSIONS]
    known = await service.provider_sessions.handles_of(token.sid) if token.sid is not None else []
    if known:
        for user_id in {user_id for _, user_id in known}:
            handles = [handle for handle, owner in known if owner == user_id]
            await sessions.revoke_sessions(user_id, handles, reason="backchannel_logout", by=BY)
            service.notes.check_role(user_id)
    elif token.subject is not None:
        await sessions.clear_sessions_for_user(token.subject, reason="backchannel_logout", by=BY)
        service.notes.check_role(token.subject)


OPERATIONS = (
    Operation(
        "POST",
        PATH,
        backchannel_logout,
        PUBLIC,
        "End sessions on behalf of the identity provider",
        form=LogoutForm,
        errors=(InvalidLogoutToken, NotSetUp, ProviderUnavailable),
        allows_cross_site=True,
        rate_limit="back-channel logouts",
    ),
)
