"""The paths as which applications may interpret a request target."""

import re
from urllib.parse import unquote, urlsplit


def readings(target: str) -> set[str]:
    """Return the interpretations of *target* by applications, in lower case.

    They read it as a path or as an address, decode it up to three times, drop parameters behind ``;``, take a backslash
    for a slash, end it at ``?``, ``#`` or a null character, merge slashes, and resolve dots; or they do none of it.
    """
    found = {target.partition("?")[0]}
    found |= {urlsplit(path).path for path in found} | {re.split("[?#]", path)[0] for path in found}
    for _ in range(3):
        found |= {unquote(path) for path in found}
        found |= {path.replace("\\", "/") for path in found}
        found |= {re.sub(";[^/]*", "", path) for path in found}
        found |= {re.split("[?#\0]", path)[0] for path in found}
    return {re.sub("/+", "/", path).lower() for path in found} | {_resolve(path).lower() for path in found}


def _resolve(path: str) -> str:
    """Return *path* without dot segments and empty segments."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in {"", "."}:
            segments.append(segment)
    return "/" + "/".join(segments)
