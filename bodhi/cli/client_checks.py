"""Checks of this server's client: requests to the provider that log nobody in.

An authorization request without a login page (``prompt=none``) comes back to the redirect URI only if it is registered;
where a provider does not know that, its login page differs from its answer to a redirect URI that nobody registered.
A code grant with a made-up code is refused as ``invalid_grant`` only after the client was accepted, unless a made-up
secret is answered so, too.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp

from bodhi.cli.db import is_absent_file
from bodhi.cli.findings import Finding
from bodhi.cli.findings import provider_finding as finding
from bodhi.errors import BodhiError
from bodhi.keyring import Keyring
from bodhi.oidc.client import IdentityProvider, pkce_challenge
from bodhi.oidc.errors import ProviderError, ProviderRefused
from bodhi.oidc.transport import Answer, Transport
from bodhi.server.access.instance import Instance, InstanceService
from bodhi.server.databases import application_database
from bodhi.server.http.paths import CALLBACK_PATH
from bodhi.server.services import configured_client, create_provider
from bodhi.settings import Settings, with_encryption_keys
from bodhi.settings.key_file import FILE_NAME

PUBLIC_URL = "BODHI_PUBLIC_SCHEME, BODHI_PUBLIC_HOST, BODHI_PUBLIC_PORT"
REGISTER = "POST /bodhi/v1/setup registers one where the provider can do that; else set BODHI_CLIENT_ID"
KNOWN_ID = "set the client id as it is registered at the provider"
OPEN_IT = "log in with a browser: the provider shows what is wrong, if anything"

# Answers to prompt=none. Source: OpenID Connect Core 3.1.2.6.
_NO_LOGIN = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What the provider answered: *error* is an OAuth error code, "" for a refusal without one, None for none."""

    error: str | None
    status: int = 0
    is_clear: bool = True
    is_shown_there: bool = False  # by the provider itself, rather than brought back to the redirect URI


async def client_findings(
    settings: Settings, http: aiohttp.ClientSession, transport: Transport
) -> AsyncIterator[Finding]:
    """Yield the findings about client id, secret, redirect URI and scopes."""
    instance = await _instance(settings)
    if instance is None:
        yield finding("BODHI_CLIENT_ID", "warning", "is not set, and no client is registered", REGISTER)
        return
    provider = create_provider(settings, lambda: http)
    try:
        shown = await _request_authorization(settings, provider, transport, instance)
        redeemed = await _redeem(provider, instance, settings)
        if _refuses_client(redeemed) and settings.auth_client_authentication in {"basic", "post"}:
            other = create_provider(replace(settings, auth_client_authentication="auto"), lambda: http)
            if not _refuses_client(await _redeem(other, instance, settings)):
                yield _wrong_method(settings)
                return
        if redeemed.error == "invalid_grant" and settings.client_key is None:
            # Some providers look at the code before the client.
            stranger = replace(instance, client_secret=f"made-up-{secrets.token_urlsafe(24)}")
            if (await _redeem(provider, stranger, settings)).error == "invalid_grant":
                redeemed = replace(redeemed, is_clear=False)
        yield _about_client(settings, instance, shown, redeemed)
        if not _refuses_client(redeemed) or shown.error is None:
            yield _about_redirect(settings, instance, shown)
    except ProviderError as error:
        yield finding("BODHI_CLIENT_ID", "warning", f"the client could not be checked: {error}", "try again")
    finally:
        await provider.close()


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


async def _request_authorization(
    settings: Settings, provider: IdentityProvider, transport: Transport, instance: Instance
) -> _Outcome:
    """Return how the provider answers an authorization request; None as its error: it comes back as it should."""
    parameters = parse_qsl(settings.auth_parameters or "", keep_blank_values=True)
    silent = [*((name, value) for name, value in parameters if name != "prompt"), ("prompt", "none")]

    async def ask(redirect_uri: str, further: Sequence[tuple[str, str]]) -> Answer:
        url = await provider.authorization_url(
            instance.client_id,
            redirect_uri=redirect_uri,
            state=secrets.token_hex(16),
            nonce=secrets.token_hex(16),
            challenge=pkce_challenge(secrets.token_urlsafe(32)),
            parameters=further,
        )
        return await transport.get("authorization", url, accept="text/html")

    callback = _callback(settings)
    ours = []
    for further in (silent, parameters):
        ours.append(answer := await ask(callback, further))
        if _page(answer) == callback:
            error = _error_in(answer)
            return _Outcome(None if error in _NO_LOGIN or not error else error, answer.status)
    # Without a way back, the answers to a redirect URI that nobody registered show which of them is a refusal.
    unregistered = f"{settings.public_url}/{secrets.token_hex(8)}"
    others = [await ask(unregistered, further) for further in (silent, parameters)]
    if any(_is_accepted(one, other) for one, other in zip(ours, others, strict=True)):
        return _Outcome(None)
    refused = [answer for answer in ours if _is_refusal(answer)]
    if not refused:
        return _Outcome(None, is_clear=False)
    return _Outcome(refused[0].error or _error_in(refused[0]), refused[0].status, is_shown_there=True)


def _is_accepted(ours: Answer, other: Answer) -> bool:
    if _is_refusal(ours) or (ours.status, _page(ours)) == (other.status, _page(other)):
        return False
    return ours.status < 400 or _is_refusal(other)


def _is_refusal(answer: Answer) -> bool:
    # Some providers redirect to an error page of their own.
    return 400 <= answer.status < 500 or (answer.status < 400 and _error_in(answer) != "")


def _error_in(answer: Answer) -> str:
    """Return the error code in the address that a response redirects to, or ""."""
    return parse_qs(urlsplit(answer.headers.get("Location", "")).query).get("error", [""])[0]


async def _redeem(provider: IdentityProvider, instance: Instance, settings: Settings) -> _Outcome:
    """Return how the provider answers a code grant with a made-up code; None as its error: it accepts the code."""
    try:
        await provider.grants.redeem_code(
            instance.credentials,
            code=f"made-up-{secrets.token_urlsafe(24)}",
            redirect_uri=_callback(settings),
            verifier=secrets.token_urlsafe(32),
        )
    except ProviderRefused as error:
        return _Outcome(error.error, error.status)
    return _Outcome(None)


def _about_client(settings: Settings, instance: Instance, shown: _Outcome, redeemed: _Outcome) -> Finding:
    client = instance.client_id
    secret = "BODHI_CLIENT_KEY" if settings.client_key is not None else "BODHI_CLIENT_SECRET"
    code = redeemed.error or f"status {redeemed.status}"
    if not redeemed.is_clear:
        message = f"the provider answers {code} to any secret: whether that of the client {client} is right is not seen"
        return finding(f"BODHI_CLIENT_ID, {secret}", "warning", message, OPEN_IT)
    if redeemed.error == "invalid_grant":
        return finding(f"BODHI_CLIENT_ID, {secret}", "ok", f"the provider accepts the client {client}")
    if redeemed.error is None:
        message = f"the provider accepts a made-up code of the client {client}: its answer proves nothing"
        return finding("BODHI_CLIENT_ID", "warning", message)
    if not _refuses_client(redeemed):
        message = f"the provider answers a code grant of the client {client} with {code}"
        is_forbidden = redeemed.error in {"unauthorized_client", "unsupported_grant_type"}
        advice = "allow the authorization code flow for this client at the provider" if is_forbidden else None
        return finding("BODHI_CLIENT_ID", "fault" if is_forbidden else "warning", message, advice)
    if shown.error is not None and shown.is_clear:
        message = f"the provider does not know the client {client} ({code}; it refuses the authorization request, too)"
        return finding("BODHI_CLIENT_ID", "fault", message, KNOWN_ID)
    if shown.is_clear:
        message = f"the provider knows the client {client}, but refuses its secret or method ({code})"
        return finding(secret, "fault", message, f"set {secret} as it is at the provider")
    message = f"the provider refuses the client {client} ({code}): id, secret or method are wrong"
    return finding(f"BODHI_CLIENT_ID, {secret}", "fault", message, "set them as they are at the provider")


def _about_redirect(settings: Settings, instance: Instance, shown: _Outcome) -> Finding:
    callback = _callback(settings)
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


def _refuses_client(outcome: _Outcome) -> bool:
    return outcome.error == "invalid_client" or (outcome.status == 401 and outcome.error != "invalid_grant")


def _callback(settings: Settings) -> str:
    return f"{settings.public_url}{CALLBACK_PATH}"


def _page(answer: Answer) -> str:
    """Return the address that a response redirects to, without query and fragment, or ""."""
    return answer.headers.get("Location", "").partition("?")[0].partition("#")[0]
