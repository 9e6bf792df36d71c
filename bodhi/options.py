"""Checks of what a program passes as an option: an unset variable, a wrong type or unit is refused by name.

Each function returns the value to use and raises :exc:`ConfigurationError` with the option's name and what is allowed.
"""

import math
from collections.abc import Sequence

from bodhi.errors import ConfigurationError

LONGEST_IDENTIFIER_BYTES = 63  # PostgreSQL truncates longer ones silently
LONGEST_SECONDS = 315_360_000  # ten years: in milliseconds it fits every column and every date


def refusal(name: str, value: object, allowed: str) -> ConfigurationError:
    """The error for *value*, which is shown only where it cannot be a secret."""
    shown = repr(value) if value is None or isinstance(value, int | float) else f"of type {type(value).__name__}"
    return ConfigurationError(f"{name} is {shown}; allowed: {allowed}")


def seconds(name: str, value: float, least: float, most: float = LONGEST_SECONDS) -> float:
    """*value* as it is: a finite number in range."""
    return _number(name, value, least, most, f"a number of seconds from {least:g} to {_plain(most)}")


def optional_seconds(name: str, value: float | None, least: float, most: float = LONGEST_SECONDS) -> float | None:
    """None, or as :func:`seconds`."""
    if value is None:
        return None
    return _number(name, value, least, most, f"None or a number of seconds from {least:g} to {_plain(most)}")


def whole_max_age(name: str, value: float | None) -> int | None:
    """None, or whole seconds: a fraction is rounded up, and what is beyond ten years is ten years."""
    if value is None:
        return None
    return min(math.ceil(_number(name, value, 0, math.inf, "None or a number of seconds from 0")), LONGEST_SECONDS)


def whole_number(name: str, value: int, least: int, most: int) -> int:
    """*value* as an int; 3.0 counts as one."""
    return _whole(name, value, least, most, f"a whole number from {least} to {most}")


def optional_whole_number(name: str, value: int | None, least: int, most: int) -> int | None:
    """None, or as :func:`whole_number`."""
    return None if value is None else _whole(name, value, least, most, f"None or a whole number from {least} to {most}")


def flag(name: str, value: bool) -> bool:
    """*value* as it is; the text "false" would count as true."""
    if not isinstance(value, bool):
        raise refusal(name, value, "True or False")
    return value


def choice(name: str, value: str, allowed: Sequence[str]) -> str:
    """The one of *allowed* that *value* is, in any case."""
    for word in allowed:
        if isinstance(value, str) and value.lower() == word.lower():
            return word
    raise refusal(name, value, " or ".join(allowed))


def optional_schema(name: str, value: str | None) -> str | None:
    """None, or the name of a schema of PostgreSQL, in exactly these letters."""
    if value is None:
        return None
    # In a search_path "$user" stands for another schema, however it is quoted.
    is_text = isinstance(value, str) and value.isprintable() and not value.startswith("pg_") and value != "$user"
    if not is_text or not 1 <= len(value.encode(errors="surrogatepass")) <= LONGEST_IDENTIFIER_BYTES:
        allowed = f"None or 1 to {LONGEST_IDENTIFIER_BYTES} bytes of printable text, neither $user nor pg_ first"
        raise refusal(name, value, allowed)
    return value


def _whole(name: str, value: float, least: int, most: int, allowed: str) -> int:
    number = _number(name, value, least, most, allowed)
    if not float(number).is_integer():
        raise refusal(name, value, allowed)
    return int(number)


def _number(name: str, value: float, least: float, most: float, allowed: str) -> float:
    # A bool is an int for Python, and NaN compares as out of every range.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value == math.inf or not least <= value <= most:
        raise refusal(name, value, allowed)
    return value


def _plain(number: float) -> str:
    return f"{number:.15g}"
