import inspect
import re
from pathlib import Path

import aiohttp_session
import pytest

import bodhi.session
from bodhi.cli import cli
from bodhi.errors import BodhiError
from bodhi.session import CookiePolicy, DefaultSessionService, Session, SessionInfo
from bodhi.settings import BY_NAME
from support import patience
from support.commands import all_commands

NOT_OPTIONS = {"self", "args", "store", "database", "options", "policy"}
COMMANDS = {("bodhi", *path): command for path, command in all_commands().items()}


def options_of(*callables):
    """Return parameters with their defaults, from :func:`inspect.signature`."""
    parameters = {}
    for each in callables:
        parameters |= inspect.signature(each).parameters
    return {name: parameter.default for name, parameter in parameters.items() if name not in NOT_OPTIONS}


def table_of(text):
    """Return the rows of all tables on a page as lists of cells."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_and_its_options_are_described(pages, path):
    """Each has a section of its own, in which its options and arguments stand."""
    page = pages["docs/reference/cli.md"]
    title = f"## `{' '.join(path)}`"
    assert title in page

    section = page.split(title, 1)[1].split("\n## ", 1)[0]
    names = [name for parameter in COMMANDS[path].params for name in parameter.opts if name != "--help"]
    assert [] == [name for name in names if f"`{name}" not in section]


def test_described_commands_exist(pages):
    """A section of a command that was removed misleads."""
    described = {
        tuple(title.split())
        for title in re.findall(r"^## `(bodhi [^`]+)`$", pages["docs/reference/cli.md"], re.MULTILINE)
    }

    assert set() == described - COMMANDS.keys()


def test_mentioned_commands_exist(pages):
    """Who copies a command line from any page gets what the page says."""
    unknown = []
    for page, text in pages.items():
        for line in re.findall(r"python -m bodhi((?: [a-z][a-z-]*)+)", text):
            words = ("bodhi", *line.split())
            if not any(words == path[: len(words)] or words[: len(path)] == path for path in COMMANDS):
                unknown.append(f"{page}: python -m {' '.join(words)}")

    assert [] == unknown


def test_mentioned_options_exist(pages):
    """They stand where the command takes them: those of all commands before its name, its own behind it."""
    of_all = {name for parameter in cli.params for name in parameter.opts}
    unknown = []
    for page, text in pages.items():
        for line in re.findall(r"python -m bodhi( [^`\n|#]*)", text):
            before, words, behind = re.match(r"((?: --set \S+| --version)*)((?: [a-z][a-z-]*)*)(.*)", line).groups()
            path = next((path for path in COMMANDS if ("bodhi", *words.split())[: len(path)] == path), None)
            known = {name for parameter in COMMANDS[path].params for name in parameter.opts} if path else {"--help"}
            used = [(name, of_all) for name in re.findall(r"--[a-z-]+", before)]
            used += [(name, known) for name in re.findall(r"(?<=\s)--[a-z-]+", behind)]
            unknown += [f"{page}: {line}: {name}" for name, names in used if name not in names]

    assert [] == unknown


@pytest.mark.parametrize("name", BY_NAME)
def test_a_setting_is_described(pages, name):
    """Each has a section of its own."""
    assert f"### `{name}`" in pages["docs/reference/settings.md"]


def test_error_codes_are_described(pages):
    """Clients rely on codes. Those of the catalogue are on the API's page, which is made of it."""
    code = re.compile(r"\"((?:route|server|auth)_error-[a-z_]+)\"")
    package = Path(bodhi.__file__).parent
    on_the_api_page = set(re.findall(r"^\| `([a-z_]+-[a-z_]+)` \|", pages["docs/reference/api.md"], re.MULTILINE))
    used = {each for file in package.rglob("*.py") for each in code.findall(file.read_text("utf-8"))} - on_the_api_page

    assert used
    assert set() == used - set(re.findall(r"^\| `([a-z_]+-[a-z_]+)` \|", pages["docs/reference/http.md"], re.MULTILINE))


def test_options_of_a_service_are_described_with_their_defaults(pages):
    """In the table of options, by name; a default that is a value stands there as one writes it."""
    options = options_of(
        DefaultSessionService.from_url, DefaultSessionService.__init__, bodhi.session.manager.SessionManager.__init__
    )
    options["limit_seconds"] = patience.DEFAULT_SECONDS  # the tests themselves wait for longer
    rows = {
        row[0].strip("`"): row[1].strip("`") for row in table_of(pages["docs/reference/library.md"]) if len(row) == 3
    }

    assert set() == options.keys() - rows.keys()
    plain = {name: default for name, default in options.items() if isinstance(default, int | float | str | bool)}
    written = {name: f'"{value}"' if isinstance(value, str) else str(value) for name, value in plain.items()}
    assert written == {name: rows[name].replace(",", "") for name in written}


def test_public_names_of_the_library_are_described(pages):
    """Every public name, and every method of the service."""
    page = pages["docs/reference/library.md"]
    names = {*bodhi.session.__all__, *SessionInfo.__annotations__, *inspect.signature(CookiePolicy).parameters}
    names |= {name for name in vars(DefaultSessionService) if not name.startswith("_")}

    assert [] == sorted(name for name in names if not re.search(rf"\b{name}\b", page))


def test_described_session_attributes_exist(pages):
    """All that aiohttp-session's sessions have, and what they have not."""
    section = pages["docs/reference/library.md"].split("## `Session`", 1)[1].split("\n## ", 1)[0]
    described = {name for row in table_of(section) for name in re.findall(r"`(?:await )?(\w+)[()]*`", row[0])}
    inherited = {name for name in vars(aiohttp_session.Session) if not name.startswith("_")}

    assert set() == described - set(dir(Session))
    assert inherited - {"set_new_identity"} == described & inherited


def test_errors_of_the_library_are_described(pages):
    """What an application may have to catch."""
    page = pages["docs/reference/library.md"]
    offered = [name for name in bodhi.session.__all__ if issubclass_of(getattr(bodhi.session, name), BodhiError)]

    assert [] == [name for name in offered if f"| `{name}` |" not in page]


def issubclass_of(value, base):
    """Return whether *value* is a subclass of *base*."""
    return isinstance(value, type) and issubclass(value, base)


def test_tables_columns_and_statements_are_described(root, pages):
    """What is in the database stands on the page about it."""
    page = pages["docs/reference/database.md"]
    sql = root / "sql" / "sqlite"
    names = []
    for file in sql.glob("migrations/*/*.sql"):
        tables = file.read_text("utf-8")
        names += re.findall(r"^CREATE (?:TABLE|(?:UNIQUE )?INDEX) (\w+)", tables, re.MULTILINE)
        names += re.findall(r"^    ([a-z_]+) +[A-Z]{4}", tables, re.MULTILINE)
    for file in sql.glob("*.sql"):
        names += re.findall(r"^-- name: (\w+)", file.read_text("utf-8"), re.MULTILINE)

    assert [] == [name for name in names if f"`{name}`" not in page]
