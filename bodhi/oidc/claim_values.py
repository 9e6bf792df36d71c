"""Values of claims: where a path leads, and the names that providers write in many shapes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

_LARGEST = 2**53  # larger numbers are not exact in JSON

# Members that hold the name of a role or group, for providers that list objects; the first one present counts.
_NAME_MEMBERS = ("name", "displayName", "display", "role", "authority", "value", "id")
# Separators of names in one text, from the rarest within a name to the most frequent.
_SEPARATORS = (";", "[;,]", r"[;,\s]")


def path_of(claim: str) -> Sequence[str]:
    """Return the path that a setting names: names separated by dots, or a JSON Pointer (RFC 6901)."""
    if claim.startswith("/"):
        return [name.replace("~1", "/").replace("~0", "~") for name in claim[1:].split("/")]
    return claim.split(".")


def value_at(value: object, path: Sequence[str]) -> Any:
    """Return what *path* leads to in the object *value*, or None.

    Names of the path may belong together: ``example.org/roles`` is tried as one name before it is split at the dot.
    """
    if not path:
        return value
    if not isinstance(value, Mapping):
        return None
    for length in range(len(path), 0, -1):
        found = value_at(value.get(".".join(path[:length])), path[length:])
        if found is not None:
            return found
    return None


def readings_of(value: object) -> Iterator[Sequence[str]]:
    """Yield the lists of names that a claim may mean, the most literal one first; none if it holds no names.

    A list holds names or objects with a name; an object's keys are the names (Zitadel). A text is one name, or several.
    """
    if isinstance(value, str):
        yield [value]
        yield from readings_of(_decoded(value))
        for separator in _SEPARATORS:
            yield [name for part in re.split(separator, value) if (name := part.strip())]
    elif isinstance(value, list):
        yield [name for item in value if (name := _name_of(item)) is not None]
    elif isinstance(value, dict):
        yield [name for name, details in value.items() if details or details == {}]
    elif (number := identifier(value)) is not None:
        yield [number]


def names_in(value: object) -> Sequence[str]:
    """Return the names that a claim holds; a text that is no list in JSON is split at semicolons alone."""
    readings = [*islice(readings_of(value), 2)]  # the first one of a text is the text itself
    return readings[-1] if readings else []


def identifier(value: object) -> str | None:
    """Return an identifier claim as text; a number becomes its digits, anything else None."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    return nonempty_text(value)


def seconds(value: object) -> int | None:
    """Return a time claim in seconds since 1970, or None if *value* is not a time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST:
        return None
    return int(value)


def text(value: object) -> str | None:
    """Return text that a database can store, or None."""
    # PostgreSQL cannot store a NUL character.
    return value if isinstance(value, str) and "\0" not in value else None


def nonempty_text(value: object) -> str | None:
    """Return text that is not empty and that a database can store, or None."""
    return text(value) or None


def display_name(value: object) -> str | None:
    """Return a name to show: a text, a number, or a list of them joined; None for anything else."""
    parts = value if isinstance(value, list) else [value]
    return " ".join(name for part in parts if (name := identifier(part)) is not None) or None


def scope(value: object) -> str | None:
    """Return the scope, separated by spaces (RFC 8693, 4.2); Duende and Spring send a list."""
    if isinstance(value, list):
        return " ".join(name for name in value if text(name)) or None
    return text(value)


def audience(value: object) -> tuple[str, ...] | None:
    """Return the audience, one or a list (RFC 7519, 4.1.3), or None."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        return None
    return tuple(values)


def _name_of(item: object) -> str | None:
    if isinstance(item, dict):
        item = next((item[member] for member in _NAME_MEMBERS if item.get(member) is not None), None)
    return identifier(item)


def _decoded(value: str) -> object:
    """Return the list or object that is written in *value* as JSON, or None."""
    if not value.startswith(("[", "{")):
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
