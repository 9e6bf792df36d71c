"""The quickstarts for teams and operators work as they are printed; the one for developers is in test_drop_in.py."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
import yaml

from support.ports import free_port
from support.provider import provider  # noqa: F401 - a fixture
from support.server_process import environ, launch, serve  # noqa: F401 - fixtures

LOGINS, OPERATOR = "docs/quickstart-logins.md", "docs/quickstart-operator.md"


def section_of(page, title):
    """Return the text of a numbered section."""
    return re.split(rf"^## \d\. {title}\n", page, flags=re.MULTILINE)[1].split("\n## ", 1)[0]


def commands_of(page, title):
    """Return the commands of a section, block by block."""
    return re.findall(r"(?:^    .+\n?)+", section_of(page, title), re.MULTILINE)


@pytest.fixture
def shell(environ, tmp_path):  # noqa: F811
    """Runs commands of a page in a shell, with *changes* to their text; returns what they print."""

    def shell(commands, **changes):
        for there, here in changes.items():
            assert there in commands
            commands = commands.replace(there, here)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ended = subprocess.run(
            ["sh", "-ec", commands],
            cwd=tmp_path,
            env={**environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == ended.returncode, ended.stdout + ended.stderr
        return ended.stdout

    return shell


def start(serve, command, **settings):  # noqa: F811
    """Start the server by the command of a page, on free ports."""
    return serve(*shlex.split(command.strip().removeprefix("python -m bodhi serve")), **settings)


async def sign_in(server, provider, user):  # noqa: F811
    """Sign in at the server; return what it says about the user."""
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with aiohttp.ClientSession(server.url, cookie_jar=jar, headers=headers) as browser:
        async with browser.post("/bodhi/v1/auth/initiate") as response:
            location = (await response.json())["location"]
        answer = dict(parse_qsl(urlsplit(await provider.log_in_url(location, user=user)).query))
        async with browser.post("/bodhi/v1/auth/callback", json=answer) as response:
            assert 200 == response.status, await response.text()
        async with browser.get("/bodhi/v1/user") as response:
            return await response.json()


def test_the_development_provider_of_the_page_starts(pages, serve):  # noqa: F811
    """A server without any settings, whose login page has the button that the page names."""
    (command,) = commands_of(pages[LOGINS], "Try it with the development provider")
    button, *_ = re.findall(r"press \*\*(.+?)\*\*", pages[LOGINS])
    server = start(serve, command, BODHI_DEV_PORT="0")

    with urllib.request.urlopen(f"{server.url}/ui/login", timeout=300) as response:
        assert f"<button>{button}</button>" in response.read().decode()


async def test_a_team_signs_users_in(pages, shell, serve, provider, tmp_path):  # noqa: F811
    """The first user is the administrator, others have the role of the page, until they get another one."""
    page = pages[LOGINS]
    (settings,) = re.findall(r"^```ini\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    ours = {"ISSUER": provider.issuer, "ID": provider.client_id, "SECRET": provider.client_secret}
    for name, value in ours.items():
        settings, found = re.subn(rf"^(BODHI_(?:AUTH|CLIENT)_{name})=.*$", rf"\1={value}", settings, flags=re.MULTILINE)
        assert 1 == found
    create, both = commands_of(page, "Connect your provider")
    doctor, command = both.splitlines()
    shell(create)
    (tmp_path / ".env").write_text(settings)

    # The provider runs in this process: it has to go on while commands run.
    assert "no file is accessible to other users" in await asyncio.to_thread(shell, doctor)
    server = await asyncio.to_thread(start, serve, command)
    assert "resource_admin" == (await sign_in(server, provider, "admin"))["role"]
    user = await sign_in(server, provider, "nobody")
    assert "resource_user" == user["role"]

    lists, set_role, clear = commands_of(page, "Manage users")
    assert {"admin", "nobody"} <= set((await asyncio.to_thread(shell, lists)).split())
    await asyncio.to_thread(shell, set_role, USER_ID=user["user_id"])
    assert "resource_manager" == (await sign_in(server, provider, "nobody"))["role"]
    await asyncio.to_thread(shell, f"{clear.rstrip()} --yes", USER_ID=user["user_id"])
    assert {"live": 1} == json.loads(await asyncio.to_thread(shell, "python -m bodhi sessions count --json"))


def test_an_operator_starts_a_server(pages, shell, serve, tmp_path):  # noqa: F811
    """With its key, its settings and its checks; and what is copied is the database."""
    page, home = pages[OPERATOR], str(tmp_path / "bodhi")
    (configure,) = commands_of(page, "Configure")
    shell(configure, **{"~/bodhi": home})
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (Path(home) / "settings.yaml").write_text(text)
    (Path(home) / "settings.yaml").chmod(0o600)

    (check,) = commands_of(page, "Check")
    assert "settings.yaml" in shell(check)

    port = yaml.safe_load(text)["BODHI_METRICS_PORT"], free_port()
    command, requests = commands_of(page, "Start")
    server = start(serve, command, BODHI_METRICS_PORT=str(port[1]))
    answers = shell(requests, **{"http://localhost:1135": server.url, f":{port[0]}/": f":{port[1]}/"})
    assert re.search(r"^bodhi_processes \d", answers, re.MULTILINE)

    (back_up,) = commands_of(page, "Back up")
    shell(f'export BODHI_HOME="{home}"\n{back_up}')
    assert (tmp_path / "bodhi" / "backup" / "bodhi.sqlite").read_bytes().startswith(b"SQLite format 3")
    assert 0 == server.stop()
