"""Three-way merge of session data, by top-level key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bodhi.session.codec import encode

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Merged:
    """What both requests made of a session together."""

    data: dict[str, Any]
    overwritten: tuple[str, ...]  # keys that both changed: the later save won


def merge(base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> Merged:
    """*theirs* with the changes that lead from *base* to *mine*.

    A key that only one side set, changed or removed has that side's value; of one that both changed, *mine* wins.
    """
    # Where both hold the same, mine: the handler may have kept a reference into it.
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
    """The keys that were set, changed or removed on the way from *base* to *mine*."""
    return [key for key in {**base, **mine} if not _same(base.get(key, _ABSENT), mine.get(key, _ABSENT))]


def _same(one: object, other: object) -> bool:
    if one is _ABSENT or other is _ABSENT:
        return one is other
    # By their stored form: to Python 1, 1.0 and True are equal.
    return encode({"": one}) == encode({"": other})
