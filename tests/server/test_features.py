"""A feature is a package and its line in ``app.py``; the server works without them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bodhi
from bodhi.server.app import FEATURES

BODHI = Path(bodhi.__file__).parent
NAMES = [feature.__name__.rpartition(".")[2] for feature in FEATURES]  # type: ignore[attr-defined]

# Somebody logs in at a provider and looks at their pages; the answers are printed as JSON.
PROGRAM = """
import asyncio, json, sys
from urllib.parse import parse_qsl, urlsplit
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient, TestServer
import bodhi
from bodhi.server.app import create_app
from bodhi.settings import load_settings
from bodhi.testing import DevelopmentProvider

async def main():
    answers = {"package": bodhi.__file__}
    async with DevelopmentProvider() as provider:
        environ = {
            "BODHI_HOME": sys.argv[1],
            "BODHI_AUTH_ISSUER": provider.issuer,
            "BODHI_AUTH_MANAGEMENT": "true",
            "BODHI_CLIENT_ID": provider.client_id,
            "BODHI_CLIENT_SECRET": provider.client_secret,
        }
        app = create_app(load_settings(environ=environ))
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        async with TestClient(TestServer(app), headers=headers, cookie_jar=CookieJar(unsafe=True)) as client:
            begun = await client.post("/ui/login", allow_redirects=False)
            url = await provider.log_in_url(begun.headers["Location"], user="admin")
            answer = dict(parse_qsl(urlsplit(url).query))
            fields = {name: answer[name] for name in ("code", "state", "iss")}
            answers["login"] = (await client.post("/ui/auth/callback", data=fields, allow_redirects=False)).status
            user = await (await client.get("/bodhi/v1/user")).json()
            person = f"/ui/admin/person?id={user['user_id']}"
            for path in ("/ping", "/health", "/ui", "/ui/sessions", "/ui/admin", person, "/ui/admin/settings"):
                answers[path.partition("?")[0]] = (await client.get(path)).status
            answers["document"] = await (await client.get("/bodhi/v1/openapi.json")).json()
    print(json.dumps(answers))

asyncio.run(main())
"""


@pytest.mark.parametrize("name", ["activity", "apps", "tokens"])
def test_a_server_without_a_feature_has_all_others(name, tmp_path):
    """Nothing else mentions the feature; its addresses are gone."""
    package = tmp_path / "lib" / "bodhi"
    shutil.copytree(BODHI, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(package / "server" / name)
    composition = package / "server" / "app.py"
    text = re.sub(rf"\b{name}, |^    {name},\n", "", composition.read_text("utf-8"), flags=re.MULTILINE)
    composition.write_text(text, "utf-8")

    environ = {**os.environ, "PYTHONPATH": str(package.parent)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "home")]
    result = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )

    assert 0 == result.returncode, result.stderr
    answers = json.loads(result.stdout)
    assert str(package / "__init__.py") == answers.pop("package")
    own = {
        operation["operationId"] for path in answers.pop("document")["paths"].values() for operation in path.values()
    }
    assert {other for other in NAMES if any(one.startswith(f"{other}_") for one in own)}.isdisjoint({name})
    assert {"login_initiate", "status_ping", "users_list_users"} <= own
    assert {"login": 303, **dict.fromkeys(list(answers)[1:], 200)} == answers
