"""``/ui/static/``: the files of the pages, each under a name that changes with its content, to be kept for good."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import hdrs, web

from bodhi.server.http.input import parameter_of
from bodhi.server.http.operations import PUBLIC, Operation

PATH = "/ui/static"

FOR_GOOD = "public, max-age=31536000, immutable"

_FOLDER = Path(__file__).with_name("static")
# Named one by one: what else lies in the folder, such as licences, is not served.
_FILES = (
    "vendor/pico.classless.jade.min.css",
    "vendor/htmx.min.js",
    "bodhi.css",
    "callback.js",
    "pages.js",
    "leaf.svg",
)
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file, as it is sent."""

    name: str  # with the hash of its content
    content_type: str
    body: bytes
    packed: bytes  # by gzip


async def static_file(request: web.Request) -> web.Response:
    """The file of that name, packed for those who take it so."""
    file = _by_served_name().get(parameter_of(request, "name"))
    if file is None:
        raise web.HTTPNotFound
    headers = {hdrs.CACHE_CONTROL: FOR_GOOD, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    takes_gzip = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
    if takes_gzip:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = file.packed if takes_gzip else file.body
    return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)


def static_url(name: str) -> str:
    """Where the file that is called *name* in its folder is served."""
    return f"{PATH}/{_by_name()[name].name}"


@cache
def _by_name() -> Mapping[str, StaticFile]:
    return {path.name: _read(path) for path in map(_FOLDER.joinpath, _FILES)}


@cache
def _by_served_name() -> Mapping[str, StaticFile]:
    return {file.name: file for file in _by_name().values()}


def _read(path: Path) -> StaticFile:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:16]
    return StaticFile(
        name=f"{path.stem}-{digest}{path.suffix}",
        content_type=_TYPES[path.suffix],
        body=body,
        packed=gzip.compress(body, mtime=0),
    )


OPERATIONS = (Operation("GET", f"{PATH}/{{name}}", static_file, PUBLIC, "A file of the pages", in_document=False),)
