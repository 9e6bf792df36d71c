"""The id of a request: taken from ``X-Request-ID`` or made, told in the answer, and in every line of the log."""

import random
import re

from aiohttp import web
from multidict import istr

from bodhi.logs import REQUEST_ID

HEADER = istr("X-Request-ID")

_WELL_FORMED = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def assign_id(request: web.Request) -> None:
    """Note the id that *request* comes with, or a new one, in the context of its task."""
    given = request.headers.getall(HEADER, ())
    if len(given) == 1 and _WELL_FORMED.fullmatch(given[0]):
        REQUEST_ID.set(given[0])
    else:
        current_id()


def current_id() -> str:
    """The id of the request that is handled, made when it has none: aiohttp refuses some before any middleware."""
    request_id = REQUEST_ID.get()
    if request_id is None:
        request_id = f"{random.getrandbits(128):032x}"  # no secret, and no system call
        REQUEST_ID.set(request_id)
    return request_id
