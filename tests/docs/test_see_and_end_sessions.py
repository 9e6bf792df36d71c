"""The requests shown on the sessions page work."""

import argparse
import re
import shlex

from server.login.conftest import open_browser, server, start_server  # noqa: F401 - fixtures
from support.provider import provider  # noqa: F401 - a fixture


def curl(command):
    """Parse a curl command into method, path and headers."""
    parser = argparse.ArgumentParser(prog="curl")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-b", dest="cookie")
    parser.add_argument("-H", dest="header")
    parser.add_argument("url")
    told = parser.parse_args(shlex.split(command)[1:])
    name, value = told.header.split(": ")
    return told.method, told.url.removeprefix("http://localhost:1135"), {"Cookie": told.cookie, name: value}


async def test_the_command_ends_all_other_sessions(pages, server, open_browser, provider):  # noqa: F811
    """The cookie alone would not do."""
    browser, another, program = [await open_browser(server) for _ in range(3)]
    await browser.log_in(provider)
    await another.log_in(provider)
    (command,) = re.findall(r"^    (curl .+)$", pages["docs/how-to/see-and-end-sessions.md"], re.MULTILINE)
    method, path, headers = curl(command.replace("$SESSION_ID", browser.session_cookie))

    alone = await program.request(method, path, headers={"Cookie": headers["Cookie"]})
    answer = await program.request(method, path, headers=headers)

    assert (403, 200) == (alone.status, answer.status)
    assert {"ended": 1} == await answer.json()
    assert "logged_in" == (await browser.user())["auth_status"]
    assert "logged_out" == (await another.user())["auth_status"]
