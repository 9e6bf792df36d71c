"""Public static files: no identity headers reach them, and no path spelling escapes them."""

import pytest

from proxy.test_credentials import received_headers
from support.path_readings import readings
from support.proxies import RULES_BY_PATH, STATIC_FILES

pytestmark = [
    pytest.mark.proxies,
    pytest.mark.parametrize("additions", [(STATIC_FILES,), (RULES_BY_PATH, STATIC_FILES)]),
]

FORGED = [
    "X-BodhiApp-User-Id",
    "x-bodhiapp-username",
    "X-BODHIAPP-ROLE",
    "X-BodhiApp-Access-Token",
    "X_BodhiApp_User_Id",
    "x_bodhiapp_role",
    "X_BodhiApp-Role",
    "X-BodhiApp_Username",
    "X_BODHIAPP_ACCESS_TOKEN",
    "X.BodhiApp.Role",
]
# Read by another server than the proxy, these may be anything but files below /static/.
_ELSEWHERE = r"""
/static/..;/managers/page
/static/..;x=1/managers/page
/static/;/../managers/page
/static/x;/page
/static/..%2fmanagers/page
/static/..%2Fmanagers/page
/static/%2e%2e%2fmanagers/page
/static%2f..%2fmanagers/page
/static/%2e%2e/managers/page
/static/.%2e/managers/page
/static/../managers/page
/static/x/../../managers/page
/static/./../managers/page
/static//../managers/page
/static/\..\..\managers\page
/static/..\managers/page
/static/..%5cmanagers/page
/static/%5c..%5cmanagers
/static/..%3b/managers/page
/static/%252e%252e/managers/page
/static/%252e%252e%252fmanagers
/static/..%252fmanagers/page
/static/..%c0%af../managers%2f
/static/..%00/managers
/static/%0a/..;/..;/managers/page
/static/%0A..;/..;/..;/managers/page
/static/%0d%0a/..\..\managers
/static/x%3f/../../managers
/static/x#/../../managers
//static/../managers/page
//x/static/..;/managers/page
http://{host}/static/..;/managers/page
http://{host}/static/..%2fmanagers/page
http://{host}/static/../managers/page
"""
ELSEWHERE = _ELSEWHERE.split()


async def test_static_files_need_no_login(cookieless_client, raw, static_files, application):
    """Without a question, and without a login; the application has no part in it."""
    for target in ("/static/a.css", "/static/a/b.js?v=1", "/static/", "/static/a%20b..c.png"):
        assert 200 == (await raw.get(target))[0], target
    assert ["/static/a.css", "/static/a/b.js?v=1", "/static/", "/static/a%20b..c.png"] == static_files.targets
    assert [] == application.targets
    assert (await cookieless_client.get("/staticx")).status in {302, 401}


async def test_static_files_get_no_identity_headers(raw, visitor, provider):
    """Neither a stranger's made-up headers nor what somebody who is logged in sends arrives."""
    await visitor.log_in(provider)
    cookies = f"Cookie: a=1; bodhiapp_session_id={visitor.session_cookie}; __Host-bodhiapp_session_id=decoy"
    forged = [f"{name}: mallory" for name in FORGED]
    bearer = "Authorization: Bearer secret"
    tunnel = ["Connection: Upgrade", "Upgrade: h2c"]
    for lines in [forged, [*forged, *forged], [cookies, cookies], [bearer], [cookies, bearer, *forged], tunnel]:
        assert {} == received_headers(await raw.get("/static/page", *lines)), lines
    for line in forged:
        assert {} == received_headers(await raw.get("/static/page", line, "Connection: close, Cookie")), line


async def test_no_path_spelling_escapes_the_static_folder(raw, static_files, application, proxy):
    """A stranger reaches nothing by it, and the server of the files is not asked for anything else."""
    for spelling in ELSEWHERE:
        target = spelling.format(host=proxy.removeprefix("http://"))
        status, _, body = await raw.get(target)
        assert status < 500, (target, status, body)
        # Traefik resolves dots before it passes a path on: what it passes is a file's, however it is read.
        for seen in static_files.targets:
            assert all(path.startswith("/static/") for path in readings(seen)), (target, seen)
    assert [] == application.targets


async def test_validators_and_ranges_arrive(raw):
    """A browser's copy is good for as long as the file is the same."""
    lines = ['If-None-Match: "bodhi"', 'If-Range: "bodhi"', "Range: bytes=0-1"]
    status, _, body = await raw.get("/static/page", *lines)
    assert 200 == status
    assert "bodhi" in body or "[]" == body
