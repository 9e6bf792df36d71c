"""Three-way merge of session data, by top-level key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bodhi.session.codec import encode

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a merge."""

    data: dict[str, Any]
    overwritten: tuple[str, ...]  # keys changed by both: the later save won


def merge(base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Merged:
    """Apply the changes from *base* to *mine* to *theirs*.

    A key changed by one side takes that side's value; of one changed by both, *mine* wins.
    """
    # Equal values are taken from mine: the handler may hold references to them.
    data = {key: mine[key] if key in mine and _same(mine[key], value) else value for key, value in theirs.items()}
    overwritten = []
    for key in changed_keys(base, mine):
        if not _same(base.get(key, _ABSENT), theirs.get(key, _ABSENT)):
            overwritten.append(key)
        if key in mine:
            data[key] = mine[key]
        else:
            data.pop(key, None)
    return Merged(data, tuple(overwritten))


def changed_keys(base: Mapping[str, Any], mine: Mapping[str, Any]) -> list[str]:
    """Return the keys that were set, changed or removed from *base* to *mine*."""
    return [key for key in {**base, **mine} if not _same(base.get(key, _ABSENT), mine.get(key, _ABSENT))]


def _same(one: object, other: object) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    # Compare the stored form: to Python, 1, 1.0 and True are equal.
    return encode({"": one}) == encode({"": other})
