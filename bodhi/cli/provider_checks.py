"""Checks of the identity provider by ``bodhi doctor``; each message begins with the setting that it is about."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from bodhi.cli.findings import Finding, State
from bodhi.cli.findings import provider_finding as finding
from bodhi.settings import Settings

if TYPE_CHECKING:
    from bodhi.oidc.discovery import Issuer, Metadata
    from bodhi.oidc.transport import Answer, Transport

NO_ISSUER = (
    "set BODHI_AUTH_ISSUER, or BODHI_AUTH_URL and BODHI_AUTH_REALM; for a server that runs with --dev,"
    " ask `python -m bodhi --set BODHI_DEV=true doctor`"
)
CHECK_ISSUER = "open this address on this machine: it must return JSON that names the issuer"
OTHER_ISSUER = "set the issuer that the metadata name, if this is your provider; else correct the address"
# By a part of the cause.
UNREACHABLE = {
    "resolved": "check the host name in the setting, and that this machine can resolve it",
    "certificate": "put the provider's certificate authority into the PEM file that SSL_CERT_FILE names",
    "TLS": "check the scheme and the port in the setting",
    "proxy": "correct HTTP_PROXY or HTTPS_PROXY, or name the provider's host in NO_PROXY",
    "refused": "check host and port in the setting, and that the provider runs",
    "did not answer": "find out why the provider is slow; BODHI_AUTH_TIMEOUT is the limit for each call",
}
NTP = "synchronize both clocks with NTP"
CLOCK_WARNING_SECONDS, CLOCK_FAULT_SECONDS = 5.0, 60.0  # tokens are accepted up to a minute apart


def provider_findings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about the identity provider and this server's client."""
    if settings.dev:
        yield finding("BODHI_DEV", "ok", "is set: the server starts the development provider")
    elif settings.auth_issuer is None:
        yield finding("BODHI_AUTH_ISSUER", "warning", "not configured: users cannot sign in", NO_ISSUER)
    else:
        yield from asyncio.run(_collect(settings, settings.auth_issuer))


async def _collect(settings: Settings, issuer: str) -> list[Finding]:
    return [found async for found in _check(settings, issuer)]


async def _check(settings: Settings, name: str) -> AsyncIterator[Finding]:
    import aiohttp

    import bodhi
    from bodhi.cli.claim_checks import claim_findings
    from bodhi.cli.client_checks import client_findings
    from bodhi.cli.metadata_checks import metadata_findings
    from bodhi.oidc.discovery import Issuer
    from bodhi.oidc.errors import ProviderError
    from bodhi.oidc.transport import Transport

    issuer = Issuer(name, settings.auth_metadata_url, settings.auth_url is not None)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        transport = Transport(lambda: http, version=bodhi.__version__, limit_seconds=settings.auth_timeout_seconds)
        sent_at = time.time()
        try:
            answer = await transport.get("discovery", issuer.url)
        except ProviderError as error:
            advice = next((advice for part, advice in UNREACHABLE.items() if part in str(error)), CHECK_ISSUER)
            yield finding(issuer.setting, "fault", str(error), advice)
            return
        found, metadata = _read(issuer, answer)
        yield found
        yield _clock(issuer, answer, sent_at)
        if metadata is None:
            return
        for found in (*metadata_findings(settings, metadata), *claim_findings(settings, metadata)):
            yield found
        keys = await _keys(issuer, metadata, transport)
        yield keys
        if keys.state == "fault" and metadata == issuer.fallback:
            return  # there is no such realm
        async for found in client_findings(settings, http, transport):
            yield found


def _read(issuer: "Issuer", answer: "Answer") -> "tuple[Finding, Metadata | None]":
    try:
        metadata = issuer.read(answer)
    except ValueError as error:
        if answer.status != 404 or issuer.fallback is None:
            advice = OTHER_ISSUER if "name the issuer" in str(error) else CHECK_ISSUER
            return finding(issuer.setting, "fault", f"{issuer.url}: {error}", advice), None
        message = f"{issuer.url}: {error}; Keycloak's paths are used"
        advice = "check the name of the realm, unless its metadata are switched off"
        return finding(issuer.setting, "warning", message, advice), issuer.fallback
    return finding(issuer.setting, "ok", f"{issuer.url} names the issuer {issuer.name}"), metadata


def _clock(issuer: "Issuer", answer: "Answer", sent_at: float) -> Finding:
    """Compare the clocks by the header ``Date``, which has whole seconds."""
    answered_at = time.time()
    try:
        date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return finding(issuer.setting, "ok", "its clock cannot be compared: its response has no Date")
    apart = max(sent_at - (date + 1), date - answered_at, 0.0)
    message = f"its clock and this machine's are {apart:.0f} s apart"
    state: State = "ok"
    if apart > CLOCK_WARNING_SECONDS:
        state = "fault" if apart > CLOCK_FAULT_SECONDS else "warning"
    return finding(issuer.setting, state, message, NTP if state != "ok" else None)


async def _keys(issuer: "Issuer", metadata: "Metadata", transport: "Transport") -> Finding:
    """Check that the provider has keys for tokens that bodhi accepts."""
    from bodhi.oidc.algorithms import ASYMMETRIC
    from bodhi.oidc.discovery import Discovery
    from bodhi.oidc.errors import ProviderError
    from bodhi.oidc.keys import SigningKeys
    from bodhi.oidc.verify import SET_ALGORITHM

    announced = metadata.announced("id_token_signing_alg_values_supported") or ASYMMETRIC
    accepted = [algorithm for algorithm in announced if algorithm in ASYMMETRIC]
    if not accepted:
        message = f"the provider signs ID tokens with {', '.join(announced)} only, which is not accepted"
        return finding(issuer.setting, "fault", message, SET_ALGORITHM)
    discovery = Discovery(issuer, transport)
    keys = SigningKeys(transport, discovery)
    try:
        suitable = [algorithm for algorithm in accepted if await keys.matching(None, algorithm)]
    except ProviderError as error:
        return finding(issuer.setting, "fault", f"{metadata.jwks_uri}: {error}", "check the provider's jwks_uri")
    finally:
        await keys.close()
        await discovery.close()
    if not suitable:
        message = f"{metadata.jwks_uri} has no key for {', '.join(accepted)}"
        return finding(issuer.setting, "fault", message, SET_ALGORITHM)
    return finding(issuer.setting, "ok", f"it has keys for {', '.join(suitable)}")
