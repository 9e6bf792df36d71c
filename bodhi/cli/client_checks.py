"""Checks of this server's client by ``bodhi doctor``, by the answers to requests that log nobody in."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp

from bodhi.cli.client_probes import (
    Outcome,
    callback_url,
    may_refuse_client,
    proves_client,
    redeem_made_up_code,
    refuses_client,
    request_authorization,
)
from bodhi.cli.db import is_absent_file
from bodhi.cli.findings import Finding
from bodhi.cli.findings import provider_finding as finding
from bodhi.errors import BodhiError, ConfigurationError
from bodhi.keyring import Keyring
from bodhi.oidc.client import IdentityProvider
from bodhi.oidc.errors import ProviderError
from bodhi.oidc.transport import Transport
from bodhi.server.access.instance import Instance, InstanceService
from bodhi.server.databases import application_database
from bodhi.server.services import configured_client, create_provider
from bodhi.settings import Settings, with_encryption_keys
from bodhi.settings.key_file import FILE_NAME

PUBLIC_URL = "BODHI_PUBLIC_SCHEME, BODHI_PUBLIC_HOST, BODHI_PUBLIC_PORT"
REGISTER = "POST /bodhi/v1/setup registers one where the provider can do that; else set BODHI_CLIENT_ID"
KNOWN_ID = "set the client id as it is registered at the provider"
LOG_IN = "log in once and read the log"
ALLOW_FLOW = "allow the authorization code flow for this client at the provider"
OPEN_IT = "log in with a browser: the provider shows what is wrong, if anything"


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
        if not may_refuse_client(await redeem_made_up_code(other, instance, settings)):
            yield _wrong_method(settings)
            return
    yield _about_client(settings, instance, shown, redeemed, is_proven=is_proven)
    if not refuses_client(redeemed) or shown.error is None:
        yield _about_redirect(settings, instance, shown)


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


def _about_client(
    settings: Settings, instance: Instance, shown: Outcome, redeemed: Outcome, *, is_proven: bool
) -> Finding:
    client, secret = instance.client_id, _secret(settings)
    both = f"BODHI_CLIENT_ID, {secret}"
    code = redeemed.error or f"status {redeemed.status}"
    if redeemed.error is None:
        message = f"the provider accepts a made-up code of the client {client}: its answer proves nothing"
        return finding("BODHI_CLIENT_ID", "warning", message, LOG_IN)
    if redeemed.error == "unsupported_grant_type" or (redeemed.error == "unauthorized_client" and is_proven):
        message = f"the provider answers a code grant of the client {client} with {code}"
        return finding("BODHI_CLIENT_ID", "fault", message, ALLOW_FLOW)
    if is_proven:
        return finding(both, "ok", f"the provider accepts the client {client}")
    if refuses_client(redeemed) or redeemed.error == "unauthorized_client":
        return _about_refusal(settings, instance, shown, redeemed)
    if settings.client_key is not None:
        message = f"the provider answers a code grant of the client {client} with {code}, which proves nothing"
    else:
        message = f"the provider answers {code} to any secret: whether that of the client {client} is right is not seen"
    return finding(both, "warning", message, LOG_IN)


def _about_refusal(settings: Settings, instance: Instance, shown: Outcome, redeemed: Outcome) -> Finding:
    client, secret = instance.client_id, _secret(settings)
    code = redeemed.error or f"status {redeemed.status}"
    if not refuses_client(redeemed):
        causes = "id, secret or method are wrong, or the client may not use the code flow"
        message = f"the provider answers a code grant of the client {client} with {code}: {causes}"
        names = f"BODHI_CLIENT_ID, {secret}, BODHI_AUTH_CLIENT_AUTHENTICATION"
        advice = "set them as they are at the provider, and allow the authorization code flow for this client there"
        return finding(names, "fault", message, advice)
    if shown.error is not None and shown.is_clear:
        message = f"the provider does not know the client {client} ({code}; it refuses the authorization request, too)"
        return finding("BODHI_CLIENT_ID", "fault", message, KNOWN_ID)
    if shown.is_clear:
        message = f"the provider knows the client {client}, but refuses its secret or method ({code})"
        return finding(secret, "fault", message, f"set {secret} as it is at the provider")
    message = f"the provider refuses the client {client} ({code}): id, secret or method are wrong"
    return finding(f"BODHI_CLIENT_ID, {secret}", "fault", message, "set them as they are at the provider")


def _secret(settings: Settings) -> str:
    return "BODHI_CLIENT_KEY" if settings.client_key is not None else "BODHI_CLIENT_SECRET"


def _about_redirect(settings: Settings, instance: Instance, shown: Outcome) -> Finding:
    callback = callback_url(settings)
    if not shown.is_clear:
        message = f"whether the redirect URI {callback} is registered cannot be seen from here"
        return finding(PUBLIC_URL, "warning", message, OPEN_IT)
    if shown.error is None:
        return finding(PUBLIC_URL, "ok", f"the redirect URI {callback} is registered")
    if shown.error == "invalid_scope":
        message = "the provider answers the authorization request with invalid_scope"
        return finding("BODHI_AUTH_SCOPES", "fault", message, "request scopes that the client may have")
    if shown.is_shown_there:
        reason = ascii(shown.error[:64]) if shown.error else f"status {shown.status}"
        message = f"the provider refuses the authorization request with {reason}"
        if shown.error == "invalid_client":
            return finding("BODHI_CLIENT_ID", "fault", message, KNOWN_ID)
        advice = f"register {callback} as a redirect URI of the client {instance.client_id}"
        return finding(PUBLIC_URL, "fault", message, advice)
    is_forbidden = shown.error in {"unauthorized_client", "unsupported_response_type"}
    message = f"the provider answers the authorization request with {shown.error[:64]!a}"
    return finding("BODHI_CLIENT_ID", "fault" if is_forbidden else "warning", message, OPEN_IT)


def _wrong_method(settings: Settings) -> Finding:
    message = f"is {settings.auth_client_authentication}, which the provider refuses for this client; the other works"
    return finding("BODHI_AUTH_CLIENT_AUTHENTICATION", "fault", message, "set it to auto")
