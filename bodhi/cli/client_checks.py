"""Checks of this server's client by ``bodhi doctor``, by the answers to requests that log nobody in."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp

from bodhi.cli.client_probes import (
    may_refuse_client,
    proves_client,
    redeem_made_up_code,
    refuses_client,
    request_authorization,
)
from bodhi.cli.client_verdicts import about_client, about_redirect, wrong_method
from bodhi.cli.db import is_absent_file
from bodhi.cli.findings import Finding
from bodhi.cli.findings import provider_finding as finding
from bodhi.errors import BodhiError, ConfigurationError
from bodhi.keyring import Keyring
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError
from bodhi.oidc.transport import Transport
from bodhi.server.access.instance import Instance, InstanceService
from bodhi.server.configured_provider import configured_client, create_provider
from bodhi.server.databases import application_database
from bodhi.settings import Settings, with_encryption_keys
from bodhi.settings.key_file import FILE_NAME

REGISTER = "POST /bodhi/v1/setup registers one if the provider supports that; else set BODHI_CLIENT_ID"


async def client_findings(
    settings: Settings, http: aiohttp.ClientSession, transport: Transport
) -> AsyncIterator[Finding]:
    """Yield the findings about client id, secret, redirect URI and scopes."""
    instance = await _instance(settings)
    if instance is None:
        yield finding("BODHI_CLIENT_ID", "warning", "is not set, and no client is registered", REGISTER)
        return
    try:
        provider = create_provider(settings, lambda: http)
    except ConfigurationError as error:
        yield Finding("identity provider", "fault", str(error), "set it to a key that can sign, such as one for ES256")
        return
    try:
        async for found in _proofs(settings, http, transport, provider, instance):
            yield found
    except ProviderError as error:
        yield finding("BODHI_CLIENT_ID", "warning", f"the client could not be checked: {error}", "try again")
    finally:
        await provider.close()


async def _proofs(
    settings: Settings,
    http: aiohttp.ClientSession,
    transport: Transport,
    provider: IdentityProvider,
    instance: Instance,
) -> AsyncIterator[Finding]:
    """Yield what the provider's answers show."""
    shown = await request_authorization(settings, provider, transport, instance)
    redeemed = await redeem_made_up_code(provider, instance, settings)
    is_proven = await proves_client(provider, instance, settings, redeemed)
    has_method = settings.auth_client_authentication in {"basic", "post"}
    if has_method and not is_proven and may_refuse_client(redeemed):
        other = create_provider(replace(settings, auth_client_authentication="auto"), lambda: http)
        try:
            is_accepted = not may_refuse_client(await redeem_made_up_code(other, instance, settings))
        finally:
            await other.close()
        if is_accepted:
            yield wrong_method(settings)
            return
    yield about_client(settings, instance, shown, redeemed, is_proven=is_proven)
    if not refuses_client(redeemed) or shown.error is None:
        yield about_redirect(settings, instance, shown)


async def _instance(settings: Settings) -> Instance | None:
    """Return the client of the settings, or the one that was registered."""
    configured = configured_client(settings)
    if configured is not None or is_absent_file(settings.database_url):
        return configured
    if not settings.encryption_keys and not (settings.home / FILE_NAME).exists():
        return None
    keyring = Keyring(with_encryption_keys(settings).encryption_keys, purpose=b"bodhi instance")
    try:
        async with application_database(settings) as database:
            return await InstanceService(database, keyring=keyring).current()
    except BodhiError:
        return None
