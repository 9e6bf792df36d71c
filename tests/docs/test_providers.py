"""The pages about providers: settings that bodhi takes, sections for every row, log lines that exist."""

import ast
import json
import re

import pytest

from bodhi.settings import load_settings
from providers.page import PAGE, section_of

TABLE = re.compile(r"^\| \[([^]]+)\]\(providers\.md#([^)]+)\) \|.* \| ([^|]+) \|$", re.MULTILINE)
LINE = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
TESTED = "make test.providers"
WITHOUT_ROLE = "login without a role user_id=%s: "


@pytest.fixture
def rows(pages):
    """Every provider in the table, with its anchor and how it was checked."""
    return TABLE.findall(pages["docs/how-to/log-people-in.md"])


def test_every_provider_has_a_section(pages, rows):
    """And every section a row."""
    headings = re.findall(r"^## (.+)$", pages[PAGE], re.MULTILINE)

    assert headings == sorted((name for name, *_ in rows), key=headings.index)
    assert len(rows) >= 15


def test_sections_have_valid_settings(rows, tmp_path):
    """Once the placeholders are replaced; all of them at once, as a server reads them."""
    for name, *_ in rows:
        [block] = re.findall(r"(?:^    BODHI_.+\n)+", section_of(name), re.MULTILINE)
        lines = [line.strip().replace("…", "x" * 20) for line in block.splitlines()]
        settings = load_settings({}, dict(line.split("=", 1) for line in lines), tmp_path)
        assert settings.auth_issuer, name


def test_tested_versions_are_those_of_the_tests(root, rows):
    """The page, the table and what is installed name the same one; what was not tested says so."""
    folder = root / "tests" / "providers"
    pinned = json.loads((folder / "node" / "package.json").read_text())["dependencies"]
    for file in folder.glob("*/requirements.txt"):
        pinned |= dict(re.findall(r"^([\w-]+)(?:\[.+\])?==(.+)$", file.read_text(), re.MULTILINE))
    for name, _, checked in rows:
        section = section_of(name)
        if TESTED not in checked:
            assert "Follows its documentation" in section, name
            continue
        [version] = re.findall(r"Tested with ([\d.]+\d)", section)
        package = name.removesuffix(" with claims").lower()
        assert version in checked, name
        assert version == pinned.get(package, version), name
    assert {"canaille", "django-oauth-toolkit", "oidc-provider", "better-auth"} <= pinned.keys()


def test_tested_providers_are_those_of_the_tests(root, rows):
    """No row claims a test that does not exist."""
    sections = re.findall(
        r'^    section = "(.+)"$',
        "\n".join(file.read_text() for file in sorted((root / "tests" / "providers").glob("*.py"))),
        re.MULTILINE,
    )

    assert sorted(sections) == sorted(name for name, _, checked in rows if TESTED in checked)


def test_log_lines_exist(pages, root):
    """Whoever searches the log for a line of the page can find it: code writes it."""
    text = pages["docs/how-to/log-people-in.md"].partition("## Troubleshoot logins\n")[2].partition("\n## ")[0]
    lines = LINE.findall(text)
    formats = formats_in(root)

    assert len(lines) >= 15
    assert [] == [line for line in lines if not any(matches(one, line) for one in formats)]


def test_a_line_that_no_code_writes_is_noticed(root):
    """Of the kind that a changed word would make; and no format takes every reason."""
    lines = ["ID token refused: …", "login without a role user_id=…: for a reason that nobody wrote"]

    assert [] == [(one, line) for line in lines for one in formats_in(root) if matches(one, line)]


def formats_in(root):
    """Return the formats of all log lines that say something by themselves, with each reason for a missing role."""
    found = [one for one in log_formats(root) if len(re.sub(r"%\w|\W", "", one)) >= 5 and one != f"{WITHOUT_ROLE}%s"]
    return [*found, *reasons(root)]


def log_formats(root):
    """Yield the format of every log call."""
    for file in sorted((root / "bodhi").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if node.func.attr in {"info", "warning", "error"} and isinstance(first, ast.Constant):
                    yield str(first.value)


def reasons(root):
    """Yield the line about a missing role with each of its reasons."""
    code = ast.parse((root / "bodhi" / "server" / "access" / "claim_mapping.py").read_text())
    [method] = [node for node in ast.walk(code) if getattr(node, "name", None) == "_why_no_role"]
    for node in ast.walk(method):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "%s" for part in node.values]
            yield WITHOUT_ROLE + "".join(parts)


def matches(written, line):
    """Whether the page's line is what this format writes; ``…`` stands for anything."""
    words = [re.escape(part) for part in re.split(r"%\w", written)]
    return re.fullmatch(".+".join(words), line) is not None
