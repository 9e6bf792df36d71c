import re
from pathlib import PurePosixPath

from bodhi.keyring import Keyring
from bodhi.session.changes import Changes
from bodhi.session.manager import SessionManager
from bodhi.session.request_session import RequestSession
from bodhi.session.session import Session
from bodhi.session.sql_store import SqlSessionStore
from bodhi.settings import BY_NAME

LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
PICTURE = re.compile(r"!\[(?P<words>[^\]]*)\]\((?P<file>[^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
TESTS = re.compile(r"tests/session/(test_promise_\d\d_\w+\.py)")


def links_of(text):
    """Return the link targets in a page."""
    return [match["target"] for match in LINK.finditer(CODE.sub("", text))]


def anchors_of(text):
    """Return the anchors of the headings in a page."""
    headings = HEADING.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_relative_links_lead_somewhere(root, pages):
    """A file that was moved or renamed takes its links along."""
    broken = []
    for page, text in pages.items():
        for link in links_of(text):
            target, _, fragment = link.partition("#")
            if "://" in target:
                continue
            file = (root / PurePosixPath(page).parent / target).resolve() if target else root / page
            if not file.exists() or (fragment and fragment not in anchors_of(file.read_text("utf-8"))):
                broken.append(f"{page}: {link}")

    assert [] == broken


def test_every_picture_is_used_and_has_alternative_text(root, pages):
    """No picture lies about that nobody sees, none is missing, and each has words for those who see none."""
    shown = {
        (root / PurePosixPath(page).parent / match["file"]).resolve(): match["words"]
        for page, text in pages.items()
        for match in PICTURE.finditer(text)
    }

    assert set((root / "docs" / "images").iterdir()) == shown.keys()
    assert [] == [file.name for file, words in shown.items() if len(words) < 20]


def test_every_page_is_found_from_the_readme(root, pages):
    """What nobody links to nobody reads."""
    found, new = set(), {"README.md"}
    while new:
        page = new.pop()
        found.add(page)
        for link in links_of(pages[page]):
            if "://" not in link and not link.startswith("#"):
                target = (root / PurePosixPath(page).parent / link.partition("#")[0]).resolve()
                name = str(target.relative_to(root))
                new |= {name} & pages.keys() - found

    assert set() == pages.keys() - found


def test_promises_name_their_tests(root, pages):
    """The page about them and the files of tests are one list."""
    files = sorted(file.name for file in (root / "tests" / "session").glob("test_promise_*.py"))

    assert files == sorted(set(TESTS.findall(pages["docs/explanation/promises.md"])))


def test_the_readme_leads_somewhere_from_everywhere(root, pages):
    """The package index shows it without the files around it."""
    text = (root / "README.md").read_text("utf-8")
    relative = [link for link in links_of(text) if "://" not in link]
    relative += [match["file"] for match in PICTURE.finditer(text) if "://" not in match["file"]]

    assert [] == relative
    assert len(text.splitlines()) <= 120


def test_tests_that_are_spoken_of_exist(root, pages):
    """Where a page names a test, it is in a file that it links to."""
    missing = []
    for line in pages["docs/explanation/promises.md"].splitlines():
        if line.startswith("**Tests.**"):
            files = re.findall(r"\(\.\./\.\./(tests/[\w/]+\.py)\)", line)
            code = "".join((root / file).read_text("utf-8") for file in files)
            names = re.findall(r"`(test_\w+)`", line)
            missing += [name for name in names if f"def {name}(" not in code] or ([] if names else [line])

    assert [] == missing


def test_mentioned_settings_exist(pages):
    """A setting that was renamed is renamed everywhere; those of the tests are described apart."""
    files = {setting.file_variant for setting in BY_NAME.values()}
    known = {*BY_NAME, *files, "BODHI_TEST_SESSION_PG_URL", "BODHI_TEST_PG_BINARIES", "BODHI_TEST_"}
    unknown = [
        f"{page}: {name}"
        for page, text in pages.items()
        for name in re.findall(r"\bBODHI_\w+", text)
        if name not in known
    ]

    assert [] == unknown


def test_mentioned_tasks_exist(root, pages):
    """`make …` in a page is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z0-9.-]*):", (root / "Makefile").read_text("utf-8"), re.MULTILINE))
    spoken_of = re.compile(r"(?:`| {4})make ([a-z0-9.-]+)")

    assert [] == [
        f"{page}: {name}" for page, text in pages.items() for name in spoken_of.findall(text) if name not in targets
    ]


def test_mentioned_code_exists(pages):
    """`Visit.keep` in a page is a method of a class that the page means."""
    classes = (RequestSession, Session, SessionManager, SqlSessionStore, Changes, Keyring)
    named = {each.__name__: each for each in classes}
    spoken_of = re.compile(rf"`({'|'.join(named)})\.(\w+)")
    names = [(page, *match) for page, text in pages.items() for match in spoken_of.findall(text)]

    assert names
    assert [] == [each for each in names if not hasattr(named[each[1]], each[2])]
