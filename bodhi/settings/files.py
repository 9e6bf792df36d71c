"""Parsers for ``.env`` and ``settings.yaml`` that keep the line number of each value.

A file may hold secrets: a problem names the line and the setting, never the text.
"""

import io
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from dotenv.parser import parse_stream


@dataclass
class Lines:
    """Contents of a file: line number and text by name, and parse errors."""

    values: dict[str, tuple[int, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_dotenv(path: Path) -> Lines:
    """Read a ``.env`` file without expanding variables; the last line of a name wins."""
    lines = Lines()
    for binding in parse_stream(io.StringIO(_text(path, lines))):
        original = binding.original.string
        blank = original[: len(original) - len(original.lstrip())]
        number = binding.original.line + blank.count("\n")
        if binding.error:
            lines.problems.append(f"line {number}: not NAME=VALUE, or a quote is not closed")
        elif binding.key:
            lines.values[binding.key] = (number, binding.value or "")
    return lines


def read_yaml(path: Path, *, structured: Collection[str] = ()) -> Lines:
    """Read the pairs of a YAML file as text: nothing becomes a number, a date or an object.

    The values of the *structured* names may be lists or mappings of text, which become JSON.
    """
    lines = Lines()
    try:
        root = yaml.compose(_text(path, lines), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines.problems.append(f"line {mark.line + 1 if mark else 1}: not valid YAML")
    except yaml.YAMLError:
        lines.problems.append("line 1: not valid YAML, a character in the file is not allowed")
    else:
        if isinstance(root, yaml.MappingNode):
            for key, value in root.value:
                _add_pair(lines, key, value, structured)
        elif root is not None and not _is_null(root):
            lines.problems.append(f"line {root.start_mark.line + 1}: not NAME: value")
    return lines


def _add_pair(lines: Lines, key: yaml.Node, value: yaml.Node, structured: Collection[str]) -> None:
    number = key.start_mark.line + 1
    if not isinstance(key, yaml.ScalarNode):
        lines.problems.append(f"line {number}: not NAME: value")
    elif key.value in lines.values:
        lines.problems.append(f"line {number}: {key.value} is set twice")
    elif (text := _text_of(value) if key.value in structured else _scalar(value)) is None:
        lines.problems.append(f"line {number}: {key.value} takes one value, not a list or a mapping")
    else:
        lines.values[key.value] = (number, text)


def _text_of(node: yaml.Node) -> str | None:
    """Return the text of a value, or a list or mapping of texts as JSON; None for anything nested."""
    if isinstance(node, yaml.SequenceNode):
        items = [_scalar(item) for item in node.value]
        return None if None in items else json.dumps(items)
    if isinstance(node, yaml.MappingNode):
        pairs = [(_scalar(key), _scalar(value)) for key, value in node.value]
        # Spelled out, since json.dumps would drop a repeated key.
        texts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs]
        return None if None in {text for pair in pairs for text in pair} else f"{{{', '.join(texts)}}}"
    return _scalar(node)


def _scalar(node: yaml.Node) -> str | None:
    if not isinstance(node, yaml.ScalarNode):
        return None
    return "" if _is_null(node) else str(node.value)


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _text(path: Path, lines: Lines) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        lines.problems.append(f"line {number}: not UTF-8 text")
    except OSError as error:
        lines.problems.append(f"line 1: {error.strerror}")
    return ""
