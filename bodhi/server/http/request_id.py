"""Request ids: from ``X-Request-ID`` or generated, sent in the response and included in every log line."""

import random
import re

from aiohttp import web
from multidict import istr

from bodhi.logs import REQUEST_ID

HEADER = istr("X-Request-ID")

_WELL_FORMED = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def assign_id(request: web.Request) -> None:
    """Set the request id in the context of the current task: the one in *request*, or a new one."""
    ids = request.headers.getall(HEADER, ())
    if len(ids) == 1 and _WELL_FORMED.fullmatch(ids[0]):
        REQUEST_ID.set(ids[0])
    else:
        current_id()


def current_id() -> str:
    """Return the id of the current request; generate one if aiohttp refused the request before any middleware ran."""
    request_id = REQUEST_ID.get()
    if request_id is None:
        request_id = random.randbytes(16).hex()  # noqa: S311 - not a secret; avoids a system call
        REQUEST_ID.set(request_id)
    return request_id
