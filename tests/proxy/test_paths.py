"""Access rules by path: no spelling of a path bypasses the rule that the application's reading requires."""

import re

import pytest

from support.path_readings import readings
from support.proxies import RULES_BY_PATH, STATIC_FILES

pytestmark = pytest.mark.proxies

# As they are sent. All of them are /managers to one application or another, and some to nobody.
_SPELLINGS = r"""
/managers
/managers/
/managers/page
/Managers/
/MANAGERS/page
/mAnAgErS
//managers/
///managers/page
/./managers/
/.//managers/
/x/../managers/
/x/..//managers/
/x/./../managers/
/x/../../managers/
/x/%2e%2e/managers/
/x/.%2E/managers/
/%2e/managers
/managers/.
/managers/..
/managers/../page
/managers/%2e%2e/page
/managers%2f
/managers%2Fpage
/%2fmanagers/
/%2Fmanagers%2Fpage
/x%2fmanagers/../../managers
/x/..%2fmanagers/
/x%2f..%2fmanagers/
/%6danagers/
/%4d%41NAGERS/page
/manager%73
/manager%73%2fpage
/managers;
/managers;/
/managers;x=1
/managers;x=1/page
/managers/;x=1
/;/managers/
/;x=1/managers/
/x/..;/managers/
/x/..;x=1/managers/
/x;/../managers
/managers%3b
/managers%3Bx=1/page
/x/..%3b/managers/
\managers
/\managers/
/managers\
/managers\page
/x\..\managers\page
/managers%5c
/managers%5Cpage
/%5cmanagers
/x%5c..%5cmanagers
/x/..%5cmanagers
/%256danagers/
/managers%252fpage
/%252e%252e/managers/
/x/%252e%252e/managers/
/x%252f..%252fmanagers/
/managers%25
/managers%2500
/managers%00
/managers%00/page
/managers.
/managers./
/managers..
/managers.json
/managers.html/page
/managers%20
/managers%20/page
/managers%09
/managers%0a
/managers%0a/page
/%0a/..;/managers/page
/x%0d%0a\..\managers
/x/%0a%2f..%2f..%2fmanagers
/managers?
/managers?x=/page
/managers/?/../page
/managers?;
/managers%3f
/managers%3fx/../../page
/x%3f/../managers
/managers#
/managers#/../page
/x#/../managers
/x%23/../managers
//x/managers/
//x//managers/
//127.0.0.1/managers/
/%2f/managers
http://{host}/managers/
http://{host}/Managers;x/page
http://{host}//managers
http://{host}//x/managers
HTTP://{host}/x/../managers/
http://{host}/managers%2fpage
http://{host}\managers
http:///managers/
http:/managers/
managers/
./managers/
"""
SPELLINGS = _SPELLINGS.split()
OPEN = [
    "/page",
    "/managers2",
    "/managers-and-others/page",
    "/x/managers/",
    "/page?x=/managers/;%2f\\",
    "/x//page",
    "/a.b/c%20d",
]
# What applications outside of rules by path need to get as it was sent.
PLAIN = ["/a%2Fb", "/a%2fb/c", "/a;b=1/c", "/a;/b", "/a%3Bb", "/a%25b", "/a%23b%3Fc", "/api/v4/projects/group%2Fname"]


def is_for_managers(target):
    """Return whether an application may interpret *target* as a page below /managers."""
    return any(re.match(r"/managers(?![\w-])", path) for path in readings(target))


@pytest.fixture
async def session(visitor, provider):
    """The Cookie line of a user with the weaker role."""
    await visitor.log_in(provider)
    return f"Cookie: bodhiapp_session_id={visitor.session_cookie}"


@pytest.mark.parametrize("additions", [(RULES_BY_PATH,), (RULES_BY_PATH, STATIC_FILES)])
async def test_no_path_spelling_bypasses_the_stricter_rule(raw, session, application, proxy):
    """The application receives nothing from the weaker role that it may take for a page of the stricter one."""
    for spelling in SPELLINGS:
        target = spelling.format(host=proxy.removeprefix("http://"))
        status, _, body = await raw.get(target, session)
        assert status < 500, (target, status, body)
        assert not [seen for seen in application.targets if is_for_managers(seen)], target
        application.targets.clear()

    for target in OPEN:
        assert 200 == (await raw.get(target, session))[0], target
    assert len(OPEN) == len(application.targets)


@pytest.mark.parametrize("additions", [(RULES_BY_PATH,)])
async def test_stricter_rule_admits_its_role(visitor, raw, provider, application):
    """By each ordinary spelling; paths that are read in different ways are refused to everybody."""
    await visitor.log_in(provider, "manager")
    session = f"Cookie: bodhiapp_session_id={visitor.session_cookie}"
    for target in ("/managers", "/managers/", "/managers/page?x=1", "/Managers/", "/%6danagers/", "/managers.json"):
        assert 200 == (await raw.get(target, session))[0], target
    application.targets.clear()
    for target in (
        "/a;b",
        "/a\\b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a%3bb",
        "/a%3Bb",
        "/managers%2f",
        "/managers;x",
        "/a%252fb",
    ):
        assert 400 == (await raw.get(target, session))[0], target
        assert 400 == (await raw.get(target))[0], target
    assert [] == application.targets


async def test_the_plain_configuration_passes_paths_as_they_are(raw, session, application, proxy_name):
    """Encoded slashes and ``;`` are parts of names to Gitea and Jupyter."""
    for target in PLAIN:
        status, _, body = await raw.get(target, session)
        assert 200 == status, (target, body)
    assert [target.lower() for target in PLAIN] == [target.lower() for target in application.targets]
