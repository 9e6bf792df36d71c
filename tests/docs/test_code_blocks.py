import ast
import importlib
import json
import re

import pytest

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(pages, language):
    """Return every code block in a language with its location."""
    for page, text in pages.items():
        for match in BLOCK.finditer(text):
            if match[1] == language:
                line = text.count("\n", 0, match.start()) + 2
                yield f"{page}, line {line}", match[2]


def test_blocks_of_python_compile(pages):
    """Who copies one gets no syntax error; where one is a part of a coroutine, `await` stands alone."""
    for place, code in blocks_of(pages, "python"):
        compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_python_blocks_import_existing_names(pages):
    """Names of the library in a page are names in the library."""
    missing = []
    for place, code in blocks_of(pages, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bodhi"):
                module = importlib.import_module(node.module)
                missing += [f"{place}: {name.name}" for name in node.names if not hasattr(module, name.name)]

    assert [] == missing


def test_blocks_of_json_are_json(pages):
    """An example of an answer can be parsed like the answer."""
    for place, text in blocks_of(pages, "json"):
        try:
            json.loads(text)
        except ValueError as error:
            pytest.fail(f"{place}: {error}")
