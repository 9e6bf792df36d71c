"""HTTP requests to the identity provider, limited in time and response size, without redirects."""

import asyncio
import json
import logging
import os
import re
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

from bodhi.logs import REQUEST_ID
from bodhi.oidc.claims import json_object
from bodhi.oidc.errors import (
    ProviderError,
    ProviderRefused,
    ProviderTimedOut,
    ProviderUnavailable,
    error_code,
    error_description,
)
from bodhi.telemetry import provider_span

LARGEST_ANSWER = 512 * 1024  # bytes
VERSION_HEADER = "x-bodhi-app-version"
REQUEST_ID_HEADER = "X-Request-ID"

# Temporary errors, whatever the status. Source: RFC 6749, 4.1.2.1; RFC 8628, 3.5.
_TEMPORARY = frozenset({"server_error", "temporarily_unavailable", "slow_down"})

_SECRET_FIELDS = frozenset(
    {"client_assertion", "client_secret", "code", "code_verifier", "refresh_token", "subject_token", "token"}
)
_ERROR_IN_CHALLENGE = re.compile(r'\berror="([^"]*)"')

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the provider; *body* is None if it is not a JSON object, or too large."""

    what: str  # the call, for the log
    status: int
    body: Mapping[str, Any] | None = field(repr=False)
    token: str | None = field(default=None, repr=False)  # a body of the type application/jwt
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Collection[str] = field(default=(), repr=False)  # sent with the request

    @property
    def error(self) -> str:
        """The OAuth error code of the body, or else of the header (RFC 6750, 3), or ""; free text is not trusted."""
        in_header = _ERROR_IN_CHALLENGE.search(self.headers.get("WWW-Authenticate", ""))
        return error_code((self.body or {}).get("error")) or error_code(in_header and in_header[1])

    @property
    def described_error(self) -> str:
        """The OAuth error code, and the provider's description of it, for the log."""
        text = (self.body or {}).get("error_description")
        for secret in self.secrets:  # some providers repeat them
            text = text.replace(secret, "***") if isinstance(text, str) else text
        description = error_description(text)
        return self.error + (f" description={json.dumps(description, ensure_ascii=False)}" if description else "")

    def checked(self) -> Mapping[str, Any]:
        """Return the body of a 2xx response, or an empty mapping if it has none.

        Raises :exc:`ProviderRefused` for a 4xx except 429, and :exc:`ProviderUnavailable` for any other status and
        for temporary error codes.
        """
        if 200 <= self.status < 300:
            return self.body or {}
        raise self.failure()

    def failure(self) -> ProviderError:
        """Log the failed response and return the error to raise for it."""
        log.warning(
            "identity provider call failed: %s status=%d error=%s", self.what, self.status, self.described_error
        )
        is_refusal = self.status < 300 or (400 <= self.status < 500 and self.status != 429)
        if is_refusal and self.error not in _TEMPORARY:
            return ProviderRefused(self.status, self.error)
        return ProviderUnavailable(f"the identity provider answered the {self.what} with status {self.status}")

    def unusable(self) -> ProviderUnavailable:
        """Log a 2xx response without the required members and return the error to raise for it."""
        log.warning("identity provider response invalid: %s", self.what)
        return ProviderUnavailable("the identity provider's response is invalid")


class Transport:
    """Sends requests to one provider, each with a total time limit; redirects are not followed."""

    def __init__(
        self, http: Callable[[], aiohttp.ClientSession], *, version: str, limit_seconds: float, uses_proxy: bool = True
    ) -> None:
        self._http = http
        self._uses_proxy = uses_proxy
        # Small responses gain nothing from compression, and a compressed one may expand beyond the limit.
        self._headers = {VERSION_HEADER: version, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._limit_seconds = limit_seconds

    async def get(
        self,
        what: str,
        url: str,
        *,
        token: str | None = None,
        accept: str = "application/json",
        limit_seconds: float | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Answer:
        """Send a GET; *what* names the call in the log, *limit_seconds* replaces the usual time limit."""
        headers, secrets = {"Accept": accept, **_bearer(token)}, (token,) if token else ()
        return await self._request(
            what, "GET", url, headers=headers, secrets=secrets, limit_seconds=limit_seconds, params=query or {}
        )

    async def post_form(
        self,
        what: str,
        url: str,
        form: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        limit_seconds: float | None = None,
        secret: str = "",
    ) -> Answer:
        """Send a form; *limit_seconds* replaces the usual time limit, *secret* is a further one, in *headers*."""
        secrets = list(filter(None, [secret, *map(form.get, _SECRET_FIELDS)]))
        return await self._request(
            what, "POST", url, headers=headers, secrets=secrets, limit_seconds=limit_seconds, data=dict(form)
        )

    async def post_json(self, what: str, url: str, body: Mapping[str, Any], *, token: str | None = None) -> Answer:
        """Send a JSON object."""
        return await self._request(what, "POST", url, headers=_bearer(token), json=dict(body))

    async def _request(
        self,
        what: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        secrets: Collection[str] = (),
        limit_seconds: float | None = None,
        **options: Any,
    ) -> Answer:
        limit_seconds = limit_seconds or self._limit_seconds
        request_id = REQUEST_ID.get()  # lets the provider's log be correlated; None outside of a request
        correlation = {} if request_id is None else {REQUEST_ID_HEADER: request_id}
        with provider_span(what):
            try:
                # aiohttp's own limits do not cover waiting for a connection and reading together.
                async with (
                    asyncio.timeout(limit_seconds),
                    self._http().request(
                        method,
                        url,
                        headers={**self._headers, **correlation, **headers},
                        allow_redirects=False,
                        raise_for_status=False,
                        proxy=proxy_for(url) if self._uses_proxy else None,
                        timeout=aiohttp.ClientTimeout(total=None),
                        **options,
                    ) as response,
                ):
                    return await _answer(what, response, secrets)
            except TimeoutError as error:
                log.warning("identity provider call timed out: %s url=%s limit_seconds=%g", what, url, limit_seconds)
                raise ProviderTimedOut(
                    f"the identity provider did not answer within {limit_seconds:g} s ({url})"
                ) from error
            except (aiohttp.ClientError, OSError, UnicodeError) as error:  # UnicodeError: no host name (IDNA)
                cause = _cause_of(error)
                log.warning("identity provider call failed: %s url=%s error=%s", what, url, cause)
                raise ProviderUnavailable(f"the identity provider cannot be reached: {cause} ({url})") from error


def proxy_for(url: str) -> URL | None:
    """Return the proxy of ``HTTP_PROXY`` or ``HTTPS_PROXY`` for *url*, or None if there is none or by ``NO_PROXY``.

    Names in lower case come first. aiohttp's ``trust_env`` would also send passwords of ``~/.netrc``.
    """
    proxies = getproxies_environment()
    parts = urlsplit(url)
    text = proxies.get(parts.scheme)
    if not text or parts.hostname is None:
        return None
    if proxy_bypass(parts.netloc) or proxy_bypass(parts.hostname):  # with port and brackets, and without
        return None
    name = f"{parts.scheme.upper()}_PROXY"
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError as error:
        raise ProviderUnavailable(f"{name} is no URL") from error
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise ProviderUnavailable(f"{name} has to be an http:// or https:// URL of a proxy")
    return proxy


def _bearer(token: str | None) -> Mapping[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


async def _answer(what: str, response: aiohttp.ClientResponse, secrets: Collection[str]) -> Answer:
    """Read *response*, up to LARGEST_ANSWER bytes."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > LARGEST_ANSWER:
            return Answer(what, response.status, None, headers=response.headers, secrets=secrets)
    if response.content_type == "application/jwt":
        token = data.decode(errors="replace").strip()
        return Answer(what, response.status, None, token, response.headers, secrets)
    return Answer(what, response.status, json_object(bytes(data)), headers=response.headers, secrets=secrets)


def _cause_of(error: aiohttp.ClientError | OSError | UnicodeError) -> str:
    """Return why no response arrived, without any part of the request or response."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy of HTTP_PROXY or HTTPS_PROXY answered with status {error.status}"
    text = _cause_without_proxy(error)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy of HTTP_PROXY or HTTPS_PROXY: {text}"
    return text


def _cause_without_proxy(error: aiohttp.ClientError | OSError | UnicodeError) -> str:
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return "its URL is not valid"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "unknown reason"
        return f"its certificate is not trusted: {reason}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        reason = error.os_error.reason if isinstance(error.os_error, ssl.SSLError) else None
        # OpenSSL's words are in capitals, with underscores.
        return f"TLS handshake failed: {(reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__
