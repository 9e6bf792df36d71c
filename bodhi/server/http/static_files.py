"""``/ui/static/``: static files under names with a content hash, cacheable forever."""

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

FAVICON_PATH = "/favicon.ico"  # requested by browsers for pages without an icon link, and by bookmarks and previews

CACHE_FOREVER = "public, max-age=31536000, immutable"
CACHE_FOR_A_DAY = "public, max-age=86400"

_FOLDER = Path(__file__).with_name("static")
# An explicit list: other files in the folder, such as licenses, are not served.
_FILES = (
    "vendor/pico.classless.jade.min.css",
    "vendor/htmx.min.js",
    "bodhi.css",
    "callback.js",
    "fragment.js",
    "pages.js",
    "leaf.svg",
)
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A static file with its response body."""

    name: str  # with the hash of the content
    content_type: str
    body: bytes
    gzipped: bytes


async def static_file(request: web.Request) -> web.Response:
    """Return the file of that name, compressed if the client accepts gzip."""
    file = _by_served_name().get(parameter_of(request, "name"))
    if file is None:
        raise web.HTTPNotFound
    headers = {hdrs.CACHE_CONTROL: CACHE_FOREVER, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    accepts_gzip = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "")
    if accepts_gzip:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = file.gzipped if accepts_gzip else file.body
    return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)


async def favicon(_: web.Request) -> web.Response:
    """Return the icon in the format that every browser reads."""
    return web.Response(body=_favicon(), content_type="image/x-icon", headers={hdrs.CACHE_CONTROL: CACHE_FOR_A_DAY})


def static_url(name: str) -> str:
    """Return the URL path of the file *name*."""
    return f"{PATH}/{_by_name()[name].name}"


@cache
def _favicon() -> bytes:
    return (_FOLDER / "favicon.ico").read_bytes()


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
        gzipped=gzip.compress(body, mtime=0),
    )


OPERATIONS = (
    Operation("GET", f"{PATH}/{{name}}", static_file, PUBLIC, "A static file", in_document=False),
    Operation("GET", FAVICON_PATH, favicon, PUBLIC, "The icon", in_document=False),
)
