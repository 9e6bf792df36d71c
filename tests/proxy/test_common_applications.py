"""The how-to page about common applications, with an application in their place that tells what it received."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from aiohttp import WSServerHandshakeError

from bodhi.server.access.scopes import Role
from bodhi.testing.identity_provider.accounts import Person
from support.common_applications import Section

pytestmark = pytest.mark.proxies

APPLICATIONS = ("Grafana", "Gitea", "Jupyter", "A WebSocket application")
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
KEPT_COOKIES = {'          Cookie: ""\n': "", '          Set-Cookie: ""\n': ""}


@pytest.fixture
def title():
    """The title of the section; overridden by tests."""
    return "Grafana"


@pytest.fixture
def site():
    """A folder that the proxies can read."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "index.html").write_text("the site", "ascii")
    (folder / "page.html").write_text("a page", "ascii")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def changes(title, site):
    """Those of the section; Traefik keeps cookies where an application needs its own."""
    changes = Section(title).changes(site=os.fspath(site))
    if title in {"Gitea", "Jupyter"}:
        return {**changes, "traefik": {**changes["traefik"], **KEPT_COOKIES}}
    return changes


async def log_in(visitor, provider):
    """Log in somebody whom all of the gates let in."""
    provider.add_person(Person("ann", "Ann", "Archer"), Role.USER)
    provider.shape.id_token_claims = {"email_verified": True, "groups": ["staff", "a,b"]}
    await visitor.log_in(provider, "ann")
    return {
        "X-BodhiApp-User-Id": provider.person("ann").user_id,
        "X-BodhiApp-Username": "ann",
        "X-BodhiApp-Email": "ann@example.org",
        "X-BodhiApp-Groups": "staff,a%2Cb",
    }


@pytest.mark.parametrize("title", APPLICATIONS)
async def test_the_gate_lets_in_with_the_headers_of_the_settings(visitor, proxy, provider, title):
    """In their spelling, whatever the client sends under these names."""
    headers = Section(title).headers
    assert bool(headers) == (title != "A WebSocket application")
    sent = await visitor.get("/", headers=PAGE)
    assert (302, f"{proxy}/ui/login?return_to=/") == (sent.status, sent.headers["Location"])
    known = await log_in(visitor, provider)

    response = await visitor.get("/", headers=dict.fromkeys(known, "mallory"))

    assert 200 == response.status, await response.text()
    received = dict(await response.json())
    told = {name.lower(): value for name, value in received.items()}
    assert {name: known[name] for name in headers} == {name: told.get(name.lower()) for name in headers}
    assert "mallory" not in received.values()


@pytest.mark.parametrize("title", [*APPLICATIONS, "A static site"])
async def test_the_gate_keeps_others_out(visitor, provider, title):
    """Who is in no group, and has no verified address; nobody's forged headers help."""
    forged = {"X-BodhiApp-Email": "ann@example.org", "X-BodhiApp-Groups": "staff"}
    assert 401 == (await visitor.get("/", headers=forged)).status
    await visitor.log_in(provider)

    refused = await visitor.get("/", headers=forged)

    assert 403 == refused.status
    assert "the site" not in await refused.text()


@pytest.mark.parametrize("title", ["A static site"])
@pytest.mark.parametrize("proxy", ["nginx", "caddy"], indirect=True)
async def test_the_site_is_served(visitor, provider):
    """By the proxy itself, until the logout."""
    await log_in(visitor, provider)
    for path, text in [("/", "the site"), ("/page.html", "a page")]:
        response = await visitor.get(path)
        assert (200, text) == (response.status, await response.text())
    assert 404 == (await visitor.get("/none.html")).status

    await visitor.post("/bodhi/v1/logout")

    for path in ("/", "/page.html", "/none.html"):
        assert 401 == (await visitor.get(path)).status


@pytest.mark.parametrize("title", ["Gitea", "Jupyter"])
async def test_cookies_of_the_application_go_both_ways(visitor, provider, proxy_name):
    """Without the session cookie; Traefik passes that as well, as the page says."""
    await log_in(visitor, provider)

    answer = await visitor.get("/answer?Set-Cookie=_xsrf%3D1")
    assert ["_xsrf=1"] == answer.headers.getall("Set-Cookie")

    received = dict(await (await visitor.get("/")).json())
    cookies = dict(part.split("=", 1) for part in received["Cookie"].split("; "))
    assert "1" == cookies["_xsrf"]
    assert (proxy_name == "traefik") == ("bodhiapp_session_id" in cookies)


@pytest.mark.parametrize("title", ["Gitea", "Jupyter"])
async def test_encoded_paths_arrive_as_they_are(visitor, provider, application):
    """Names of branches and of notebooks have them."""
    await log_in(visitor, provider)
    for path in ("/ann/x/src/branch/a%2Fb/c;d", "/api/contents/a%20b%2Fc.ipynb?type=notebook"):
        assert 200 == (await visitor.get(path)).status
        assert path == application.targets[-1]


@pytest.mark.parametrize("title", ["Jupyter", "A WebSocket application"])
async def test_websockets_open_for_those_who_may(visitor, provider):
    """With their name; a handshake is not redirected."""
    with pytest.raises(WSServerHandshakeError) as refused:
        await visitor.connect("/socket")
    assert (401, True) == (refused.value.status, "/ui/login" in refused.value.headers["Location"])
    await log_in(visitor, provider)

    async with visitor.connect("/socket") as socket:
        assert "ann" == await socket.receive_str()
        await socket.send_str("hello")
        assert "hello" == await socket.receive_str()


def test_the_settings_of_jupyter_are_valid_python():
    """They ran with Jupyter itself when they were written."""
    compile(Section("Jupyter").blocks["python"], "jupyter_server_config.py", "exec")
