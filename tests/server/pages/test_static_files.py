import hashlib
import re
from pathlib import Path

from yarl import URL

import bodhi.server.http
from bodhi.server.http.static_files import static_url

FOLDER = Path(bodhi.server.http.__file__).parent / "static"
TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}
FILES = [
    "pico.classless.jade.min.css",
    "htmx.min.js",
    "bodhi.css",
    "callback.js",
    "fragment.js",
    "pages.js",
    "leaf.svg",
]


def on_disk(name):
    """Return the file's content in the source tree."""
    (path,) = FOLDER.rglob(name)
    return path.read_bytes()


async def test_static_file_is_cached_permanently(client):
    """Its address has the hash of its content, so that it never changes."""
    for name in FILES:
        await see(client, name)


async def see(client, name):
    """Fetch a file and check its headers."""
    url = static_url(name)

    response = await client.get(url, headers={"Accept-Encoding": "identity"})

    assert 200 == response.status
    assert on_disk(name) == await response.read()
    assert hashlib.sha256(on_disk(name)).hexdigest()[:16] in url
    assert "public, max-age=31536000, immutable" == response.headers["Cache-Control"]
    assert TYPES[name.rpartition(".")[2]] == response.headers["Content-Type"]
    assert "nosniff" == response.headers["X-Content-Type-Options"]
    assert "Set-Cookie" not in response.headers
    assert "Accept-Encoding" == response.headers["Vary"]


async def test_static_file_is_compressed_if_accepted(client):
    """A tenth of Pico's style sheet goes over the wire."""
    response = await client.get(static_url("pico.classless.jade.min.css"), headers={"Accept-Encoding": "br, gzip"})

    assert "gzip" == response.headers["Content-Encoding"]
    assert int(response.headers["Content-Length"]) < 15_000
    assert on_disk("pico.classless.jade.min.css") == await response.read()  # unpacked by the client


async def test_nothing_else_is_served(client):
    """Not by a name without its hash, nor what lies beside or above."""
    others = [
        "bodhi.css",
        "bodhi-0000000000000000.css",
        "htmx-LICENSE",
        "README.md",
        "..%2f..%2fpages%2fstatic.py",
        "%00",
    ]
    for name in others:
        async with client.get(URL(f"/ui/static/{name}", encoded=True)) as response:
            assert 404 == response.status
            assert "public" not in response.headers["Cache-Control"]


def test_third_party_files_match_their_checksums():
    """Byte for byte what the package brings."""
    rows = re.findall(r"^\| `(\S+)` \|.*`([0-9a-f]{64})`", (FOLDER / "vendor" / "README.md").read_text(), re.MULTILINE)

    assert {path.name for path in (FOLDER / "vendor").iterdir() if path.suffix in {".css", ".js"}} == {
        name for name, _ in rows
    }
    assert rows == [(name, hashlib.sha256(on_disk(name)).hexdigest()) for name, _ in rows]


async def test_icon_is_found_where_browsers_look_for_it(client):
    """Without a session, in a format that all of them read, and not asked for on every page."""
    for method in ("GET", "HEAD"):
        response = await client.request(method, "/favicon.ico")

        assert (200, "image/x-icon") == (response.status, response.headers["Content-Type"])
        assert "public, max-age=86400" == response.headers["Cache-Control"]
        assert "Set-Cookie" not in response.headers
        assert (on_disk("favicon.ico") if method == "GET" else b"") == await response.read()
    assert on_disk("favicon.ico").startswith(b"\0\0\1\0")  # of an .ico file
