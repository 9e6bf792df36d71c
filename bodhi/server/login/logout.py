"""Logout: of the session here, of its tokens, and at the provider."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from bodhi.errors import root_cause
from bodhi.oidc.errors import ProviderError
from bodhi.server.access.errors import ApiError
from bodhi.server.access.instance import Instance
from bodhi.server.authentication.login_data import ID_TOKEN, REFRESH_TOKEN
from bodhi.server.http.hosts import callback_base
from bodhi.server.http.operations import PUBLIC, Operation
from bodhi.server.http.paths import LOGGED_OUT, LOGIN_PATH
from bodhi.server.http.responses import json_response
from bodhi.server.login.api import LOGIN, Location, LoginService
from bodhi.server.login.errors import LogoutFailed
from bodhi.session import SessionUnavailable, get_session

REVOCATION_SECONDS = 0.9  # per request to the provider, at most two: a logout completes within 2 s

log = logging.getLogger(__name__)


async def end_login(request: web.Request, *, is_page: bool = False) -> str:
    """End the session, revoke its tokens if the provider answers in time, and return the URL to open next.

    The login page there says that the user was signed out if *is_page*; the API's URL of it is that of the contract.
    """
    service = request.app[LOGIN]
    try:
        session = await get_session(request)
        refresh_token, id_token = session.get(REFRESH_TOKEN), session.get(ID_TOKEN)
        session.invalidate()
        await session.save()
    except SessionUnavailable as error:
        raise LogoutFailed from error
    instance = await _instance_if_available(service)
    return_to = service.logged_out_url or callback_base(request) + LOGIN_PATH
    # Without it, a login page that is skipped would log the user in again where the provider still knows them.
    state = LOGGED_OUT if (service.skips_page or is_page) and service.logged_out_url is None else None
    location: str | None = None
    if service.provider is not None and instance is not None:
        with _provider_failures_logged():
            if service.logs_out_at_provider and isinstance(id_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    location = await service.provider.end_session_url(
                        instance.client_id, return_to=return_to, id_token=id_token, state=state
                    )
        with _provider_failures_logged():
            if isinstance(refresh_token, str):
                async with asyncio.timeout(REVOCATION_SECONDS):
                    await service.provider.grants.revoke(instance.credentials, refresh_token)
    return location or return_to + ("" if state is None else f"?state={state}")


@contextmanager
def _provider_failures_logged() -> Iterator[None]:
    """Log provider failures: the local logout is complete without the provider."""
    try:
        yield
    except (ProviderError, TimeoutError) as error:
        log.warning("logout at the provider failed: %s", root_cause(error))


async def _instance_if_available(service: LoginService) -> Instance | None:
    try:
        return await service.instances.current()
    except ApiError:
        return None


async def logout(request: web.Request) -> web.Response:
    """End the session; returns 200 even without one."""
    response = json_response(Location(await end_login(request)))
    response.headers["Cache-Control"] = "no-store"
    return response


OPERATIONS = (
    Operation(
        "POST",
        "/bodhi/v1/logout",
        logout,
        PUBLIC,
        "Sign out",
        responses={200: Location},
        errors=(LogoutFailed,),
    ),
)
