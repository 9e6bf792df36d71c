"""HTTP to the identity provider: every answer is small, in time, and not from somewhere else."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bodhi.logs import REQUEST_ID
from bodhi.oidc.errors import ProviderError, ProviderRefused, ProviderTimedOut, ProviderUnavailable
from bodhi.oidc.json_object import json_object
from bodhi.telemetry import provider_span

LARGEST_ANSWER = 512 * 1024  # bytes
VERSION_HEADER = "x-bodhi-app-version"
REQUEST_ID_HEADER = "X-Request-ID"

# Error codes that stand for a 5xx or a 429, whatever the status. Source: RFC 6749, 4.1.2.1; RFC 8628, 3.5.
_PASSES = frozenset({"server_error", "temporarily_unavailable", "slow_down"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider answered; *body* is None where it is no JSON object, or too large."""

    what: str  # it was asked for
    status: int
    body: Mapping[str, Any] | None = field(repr=False)

    @property
    def error(self) -> str:
        """OAuth's error code, or "": never the provider's free text, which may say anything."""
        code = (self.body or {}).get("error")
        return code if isinstance(code, str) and re.fullmatch("[A-Za-z0-9_-]{1,64}", code) else ""

    def checked(self) -> Mapping[str, Any]:
        """The body of a success, empty where there is none.

        Raises :exc:`ProviderRefused` for a 4xx but 429, and :exc:`ProviderUnavailable` for everything else, and where
        the error code says that it passes.
        """
        if 200 <= self.status < 300:
            return self.body or {}
        raise self.failure()

    def failure(self) -> ProviderError:
        """The error for an answer that says by its status, or by OAuth's error code, that it is no success."""
        log.warning("the identity provider answered the %s with %d %s", self.what, self.status, self.error)
        is_refusal = self.status < 300 or (400 <= self.status < 500 and self.status != 429)
        if is_refusal and self.error not in _PASSES:
            return ProviderRefused(self.status, self.error)
        return ProviderUnavailable()

    def unusable(self) -> ProviderUnavailable:
        """The error for a success that lacks what it has to have."""
        log.warning("the identity provider's answer to the %s is not usable", self.what)
        return ProviderUnavailable("the identity provider's answer is not usable")


class Transport:
    """Requests to one provider, each with one time limit over all of it; no redirect is followed."""

    def __init__(self, http: Callable[[], aiohttp.ClientSession], *, version: str, limit_seconds: float) -> None:
        self._http = http
        # Small answers gain nothing from compression, and a packed one may be large inside.
        self._headers = {VERSION_HEADER: version, "Accept": "application/json", "Accept-Encoding": "identity"}
        self._limit_seconds = limit_seconds

    async def get(self, what: str, url: str, *, token: str | None = None, **query: str | int) -> Answer:
        """The answer to a GET; *what* names it in the log."""
        return await self._request(what, "GET", url, params=query, headers=_bearer(token))

    async def post_form(
        self,
        what: str,
        url: str,
        form: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        limit_seconds: float | None = None,
    ) -> Answer:
        """The answer to a form; with *limit_seconds* it may take that long rather than as long as others."""
        return await self._request(what, "POST", url, data=dict(form), headers=headers, limit_seconds=limit_seconds)

    async def post_json(self, what: str, url: str, body: Mapping[str, Any], *, token: str | None = None) -> Answer:
        """The answer to a JSON object."""
        return await self._request(what, "POST", url, json=dict(body), headers=_bearer(token))

    async def _request(
        self,
        what: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        limit_seconds: float | None = None,
        **options: Any,
    ) -> Answer:
        all_headers = {**self._headers, **_request_id(), **headers}
        with provider_span(what):
            return await self._answer(what, method, url, all_headers, limit_seconds or self._limit_seconds, **options)

    async def _answer(
        self, what: str, method: str, url: str, headers: Mapping[str, str], limit_seconds: float, **options: Any
    ) -> Answer:
        try:
            # Around all of it: aiohttp's own limits do not cover waiting for a connection and reading together.
            async with (
                asyncio.timeout(limit_seconds),
                self._http().request(
                    method,
                    url,
                    headers=headers,
                    allow_redirects=False,
                    raise_for_status=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                    **options,
                ) as response,
            ):
                data = await _limited(response.content)
                return Answer(what, response.status, None if data is None else json_object(data))
        except TimeoutError as error:
            log.warning("the identity provider did not answer the %s in time", what)
            raise ProviderTimedOut from error
        except (aiohttp.ClientError, OSError) as error:
            log.warning("the identity provider did not answer the %s: %s", what, type(error).__name__)
            raise ProviderUnavailable from error


def _request_id() -> Mapping[str, str]:
    """So that the provider's log can be laid beside this one; work that belongs to no request has none."""
    request_id = REQUEST_ID.get()
    return {} if request_id is None else {REQUEST_ID_HEADER: request_id}


def _bearer(token: str | None) -> Mapping[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


async def _limited(content: aiohttp.StreamReader) -> bytes | None:
    """All of *content*, or None when it is larger than allowed."""
    data = bytearray()
    async for chunk in content.iter_any():
        data += chunk
        if len(data) > LARGEST_ANSWER:
            return None
    return bytes(data)
