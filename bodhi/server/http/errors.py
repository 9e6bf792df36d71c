"""Error envelope: the JSON body of every error response.

Texts of exceptions, including aiohttp's own, are never sent to clients: they may contain data of the request.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from bodhi.database import DatabaseUnavailable
from bodhi.logs import FailureLog
from bodhi.server.access.errors import ApiError, TooManyRequests, api_error_of
from bodhi.server.http.cors import preflight_response
from bodhi.server.http.request_errors import SessionEnded, SessionStoreUnavailable
from bodhi.session import (
    RETRY_AFTER_SECONDS,
    SESSIONS,
    CapabilityMissing,
    SessionGone,
    SessionGoneResponse,
    SessionUnavailable,
    SessionUnavailableResponse,
)

TYPES = {
    401: "authentication_error",
    403: "forbidden_error",
    404: "not_found_error",
    409: "conflict_error",
    422: "unprocessable_entity_error",
    503: "service_unavailable",
}


# Codes are stable; the phrases of http.HTTPStatus are not.
_STATUSES = {
    400: ("route_error-bad_request", "The request is invalid."),
    401: ("route_error-unauthorized", "Authentication is required."),
    403: ("route_error-forbidden", "Access is denied."),
    404: ("route_error-not_found", "This address does not exist."),
    405: ("route_error-method_not_allowed", "This address does not support this method."),
    406: ("route_error-not_acceptable", "No response format matches the request's Accept header."),
    408: ("route_error-request_timeout", "The request took too long to arrive."),
    409: ("route_error-conflict", "The request conflicts with the current state."),
    410: ("route_error-gone", "This address no longer exists."),
    411: ("route_error-length_required", "The request needs a Content-Length."),
    412: ("route_error-precondition_failed", "A precondition of the request failed."),
    413: ("route_error-content_too_large", "The request body is too large."),
    414: ("route_error-uri_too_long", "The address is too long."),
    415: ("route_error-unsupported_media_type", "The media type of the request body is not supported."),
    416: ("route_error-range_not_satisfiable", "The requested range is not available."),
    417: ("route_error-expectation_failed", "The expectation of the request cannot be met."),
    421: ("route_error-misdirected_request", "This server does not serve this host."),
    422: ("route_error-unprocessable_content", "The request body is well-formed but invalid."),
    426: ("route_error-upgrade_required", "This address accepts only WebSocket connections."),
    428: ("route_error-precondition_required", "The request must be conditional."),
    429: ("route_error-too_many_requests", "Too many requests. Try again later."),
    431: ("route_error-header_fields_too_large", "The request headers are too large."),
    500: ("server_error-internal", "An internal error occurred."),
    501: ("server_error-not_implemented", "This is not implemented."),
    502: ("server_error-bad_gateway", "Another server returned an invalid response."),
    503: ("server_error-unavailable", "The service is temporarily unavailable. Try again in a moment."),
    504: ("server_error-gateway_timeout", "Another server did not respond in time."),
}


# Replaces an error's envelope with a page, for clients that accept HTML.
SHOW_ERROR: "web.AppKey[Callable[[web.Request, web.Response], Awaitable[None]]]" = web.AppKey("SHOW_ERROR")

# The error in a response's envelope.
ERROR = web.ResponseKey("ERROR", ApiError)

# Number of refused requests, by error code.
REFUSALS: web.AppKey[dict[str, int]] = web.AppKey("REFUSALS", dict)

# Logs of the causes of outages, by the class of the error that clients get.
OUTAGES: web.AppKey[dict[type[ApiError], FailureLog]] = web.AppKey("OUTAGES", dict)


class StatusError(ApiError):
    """An error with no more information than its status."""


STATUS_ERRORS: dict[int, type[ApiError]] = {
    status: type(f"Status{status}", (StatusError,), {"__doc__": message, "status": status, "code": code})
    for status, (code, message) in _STATUSES.items()
}

Response = TypeVar("Response", bound=web.Response)

log = logging.getLogger(__name__)


class ResponseCutShort(Exception):
    """The handler failed after the response had started: the connection is closed to signal the error."""


class ErrorResponse(web.HTTPException):
    """An API error as an aiohttp exception."""

    def __init__(self, error: ApiError, *, presented_bearer: bool) -> None:
        self.status_code = error.status
        super().__init__()
        _fill(self, error)
        if error.status == 401 and presented_bearer:
            self.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        if error.status == 503:
            self.headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER_SECONDS)
        if isinstance(error, TooManyRequests) and error.retry_after_seconds is not None:
            self.headers[hdrs.RETRY_AFTER] = str(error.retry_after_seconds)


def error_response(error: ApiError | type[ApiError]) -> web.Response:
    """Return a response with the envelope of *error*."""
    return _fill(web.Response(status=error.status), error if isinstance(error, ApiError) else error())


def status_response(status: int) -> web.Response:
    """Return a response with the envelope of a plain HTTP error."""
    return _fill(web.Response(status=status), status_error(status))


def with_envelope(response: web.HTTPException) -> web.HTTPException:
    """Set the envelope as the body of an error *response* and return it; other headers stay.

    Redirects, and errors that already have a JSON body, are returned unchanged.
    """
    if response.status < 400 or response.content_type == "application/json":
        return response
    if isinstance(response, SessionUnavailable):
        return _fill(response, SessionStoreUnavailable())
    if isinstance(response, SessionGone):
        return _fill(response, SessionEnded())
    return _fill(response, status_error(response.status))


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into the envelope, or into a page if the application has error pages. The outermost middleware.

    It also answers OPTIONS for routes without their own handler.
    """
    try:
        response = await handler(request)
    except Exception as error:
        failure = _response_to(error, request)
        await _show(request, failure)
        if not isinstance(failure, Exception):
            return failure
        if failure is error:
            raise
        raise failure from error
    if not hasattr(response, "prepare"):  # aiohttp's own check; isinstance is slow for abstract classes
        log.error("%s %s: the handler returned no response", request.method, request.rel_url.raw_path)
        response = status_response(500)
    if response.status >= 400:
        await _show(request, response)
    return response


def refusal(error: ApiError | DatabaseUnavailable, request: web.Request) -> ErrorResponse:
    """Return the response for *error*, and count it."""
    api_error = api_error_of(error)
    assert api_error is not None  # by its type
    if (refusals := request.app.get(REFUSALS)) is not None:
        refusals[api_error.code] = refusals.get(api_error.code, 0) + 1
    if (outage := request.app.get(OUTAGES, {}).get(type(api_error))) is not None:
        outage.note(error)
    authorization = request.headers.get(hdrs.AUTHORIZATION, "")
    return ErrorResponse(api_error, presented_bearer=authorization[:6].lower() == "bearer")


async def _show(request: web.Request, response: web.StreamResponse) -> None:
    show = request.app.get(SHOW_ERROR)
    if show is not None and isinstance(response, web.Response) and response.status >= 400:
        await show(request, response)


def _response_to(error: Exception, request: web.Request) -> web.Response:
    """Return the response for *error*."""
    if request.writer.output_size > 0:
        # aiohttp would write a second response head into the body of the first response.
        raise ResponseCutShort from error
    if isinstance(error, ApiError | DatabaseUnavailable):
        return refusal(error, request)
    if isinstance(error, web.HTTPMethodNotAllowed) and request.method == hdrs.METH_OPTIONS:
        return preflight_response(error)
    if isinstance(error, web.HTTPException):
        return with_envelope(error)
    if (response := _session_response(error, request)) is not None:
        return response
    if isinstance(error, ConnectionError) and request.transport is None:
        log.info("%s %s: client disconnected", request.method, request.rel_url.raw_path)
        return status_response(400)  # for the access log only
    log.error("%s %s failed", request.method, request.rel_url.raw_path, exc_info=error)
    return status_response(500)


def _session_response(error: Exception, request: web.Request) -> web.Response | None:
    """Return the response for an *error* of the session library, or None if it is an internal one."""
    if isinstance(error, SessionUnavailable):
        if (sessions := request.config_dict.get(SESSIONS)) is not None:
            sessions.note_unavailable(error)
        return with_envelope(SessionUnavailableResponse())
    if isinstance(error, SessionGone):
        return with_envelope(SessionGoneResponse())
    if isinstance(error, CapabilityMissing):
        log.warning("%s %s not supported: %s", request.method, request.rel_url.raw_path, error)
        return status_response(501)
    return None


def status_error(status: int) -> ApiError:
    """Return the error for a plain HTTP status."""
    known = STATUS_ERRORS.get(status)
    if known is not None:
        return known()
    family = "route_error" if status < 500 else "server_error"
    unknown = StatusError("The request failed.", status=status)
    unknown.code = f"{family}-status_{status}"
    return unknown


def _fill(response: Response, error: ApiError) -> Response:
    kind = error.type or TYPES.get(response.status)
    kind = kind or ("invalid_request_error" if response.status < 500 else "internal_server_error")
    body: dict[str, object] = {"message": error.message, "type": kind, "code": error.code}
    if error.param:
        body["param"] = error.param
    response[ERROR] = error
    response.set_status(response.status)  # resets the reason phrase, which may contain data of the request
    response.headers.pop(hdrs.CONTENT_LENGTH, None)
    response.body = json.dumps({"error": body}, ensure_ascii=False).encode()
    response.headers[hdrs.CONTENT_TYPE] = "application/json; charset=utf-8"
    return response
