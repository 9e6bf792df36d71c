"""The provider ends sessions: OpenID Connect Back-Channel Logout 1.0."""

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
    """What the provider posts."""

    logout_token: str


async def backchannel_logout(request: web.Request) -> web.Response:
    """Ends the sessions that a logout token names, on all nodes, since none of them keeps a copy.

    A failure is an error and may be repeated with the same token; a token that was heeded is refused.
    """
    desk = request.app[LOGIN]
    token = await _verified(request, desk)
    if token.expires_at < time.time() or not await desk.provider_sessions.claim_once(token.jti, token.expires_at):
        raise InvalidLogoutToken
    try:
        await _end(request, desk, token)
    except BaseException:
        await desk.provider_sessions.forget_token(token.jti)
        raise
    return empty_response()


async def _verified(request: web.Request, desk: LoginService) -> LogoutToken:
    instance = await desk.instances.current()
    if instance is None or desk.provider is None:
        raise NotSetUp
    form = body_of(request, LogoutForm)
    try:
        return await desk.provider.verifier.logout_token(form.logout_token, client_id=instance.client_id)
    except TokenError as error:
        raise InvalidLogoutToken from error


async def _end(request: web.Request, desk: LoginService, token: LogoutToken) -> None:
    """End the sessions of the provider's session where that is known, else all of the person."""
    service = request.app[SESSIONS]
    known = await desk.provider_sessions.handles_of(token.sid) if token.sid is not None else []
    if known:
        for user_id in {user_id for _, user_id in known}:
            handles = [handle for handle, owner in known if owner == user_id]
            await service.revoke_sessions(user_id, handles, reason="backchannel_logout", by=BY)
            desk.notes.check_role(user_id)
    elif token.subject is not None:
        await service.clear_sessions_for_user(token.subject, reason="backchannel_logout", by=BY)
        desk.notes.check_role(token.subject)


OPERATIONS = (
    Operation(
        "POST",
        PATH,
        backchannel_logout,
        PUBLIC,
        "The identity provider ends sessions",
        form=LogoutForm,
        errors=(InvalidLogoutToken, NotSetUp, ProviderUnavailable),
        allows_cross_site=True,
    ),
)
