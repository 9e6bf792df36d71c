"""Back-channel logout by the provider: OpenID Connect Back-Channel Logout 1.0."""

import time
from typing import Literal

import msgspec
from aiohttp import web

from bodhi.oidc.errors import TokenError
from bodhi.oidc.responses import LogoutToken
from bodhi.server.access.errors import NotSetUp, ProviderUnavailable
from bodhi.server.access.provider_errors import provider_errors
from bodhi.server.http.input import body_of
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.responses import empty_response
from bodhi.server.login.api import LOGIN, LoginService
from bodhi.server.login.errors import InvalidLogoutToken
from bodhi.session import SESSIONS

PATH = "/bodhi/v1/auth/backchannel-logout"
BY = "the identity provider"

Reason = Literal["backchannel_logout", "frontchannel_logout"]


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
        with provider_errors(InvalidLogoutToken):
            return await service.provider.verifier.logout_token(form.logout_token, client_id=instance.client_id)
    except TokenError as error:
        raise InvalidLogoutToken from error


async def _end_sessions(request: web.Request, service: LoginService, token: LogoutToken) -> None:
    """End the sessions within the provider's session that the token names, or else all sessions of the user."""
    if token.sid is not None:
        await end_provider_session(request, token.sid, token.subject, reason="backchannel_logout")
    elif token.subject is not None:
        sessions = request.app[SESSIONS]
        await sessions.clear_sessions_for_user(token.subject, reason="backchannel_logout", by=BY)
        service.users.check_role(token.subject)


async def end_provider_session(request: web.Request, sid: str, subject: str | None, *, reason: Reason) -> None:
    """End the sessions within the provider's session *sid*, and those of its user that belong to none.

    *subject* is the user, if known; otherwise those of the sessions found.
    """
    service, sessions = request.app[LOGIN], request.app[SESSIONS]
    known = await service.provider_sessions.handles_of(sid)
    for user_id in {owner for _, owner in known} | ({subject} if subject is not None else set()):
        within = [handle for handle, owner in known if owner == user_id]
        unrelated = await service.provider_sessions.handles_without_sid(user_id)
        await sessions.revoke_sessions(user_id, [*within, *unrelated], reason=reason, by=BY)
        service.users.check_role(user_id)


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
