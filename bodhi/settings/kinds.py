"""Types of settings: parsers and descriptions of the allowed values.

A parser raises :exc:`ValueError` with a phrase that continues after the value ("is not a whole number"). The phrase
never repeats the value, which may be a secret.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Generic, Literal, TypeVar

from bodhi.settings.durations import format_duration, parse_duration

T_co = TypeVar("T_co", covariant=True)
Number = TypeVar("Number", int, float)

TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")
COOKIE_ATTRIBUTES = {
    "comment",
    "domain",
    "expires",
    "httponly",
    "max-age",
    "partitioned",
    "path",
    "samesite",
    "secure",
    "version",
}
KEY_LENGTH = 32
DURATIONS = ("14d", "36h", "1h30m", "90s", "10s", "0.5s")  # examples


@dataclass(frozen=True)
class SettingType(Generic[T_co]):
    """Parser of a setting's text, and a description of what is allowed."""

    parse: Callable[[str], T_co]
    allowed: str
    type: Literal["string", "number", "boolean", "option"] = "string"
    """For programs; a duration is its number of seconds."""
    least: float | None = None
    most: float | None = None
    options: tuple[str, ...] = ()
    takes_json: bool = False
    """Whether lists and mappings are accepted: as JSON, and in ``settings.yaml``."""
    is_multiline: bool = False
    is_duration: bool = False


def whole_number(least: int, most: int) -> SettingType[int]:
    """Whole numbers in plain decimal digits."""

    def parse(text: str) -> int:
        # Match before int(), which accepts 1_000 and non-ASCII digits.
        if not re.fullmatch(r"[0-9]{1,12}", text):
            raise ValueError("is not a whole number in range")
        return _bounded(int(text), least, most)

    return SettingType(parse, f"a whole number from {least} to {most}", "number", least, most)


def seconds(least: int, most: int) -> SettingType[int]:
    """Durations in whole seconds."""

    def parse(text: str) -> int:
        value = parse_duration(text)
        if not value.is_integer():
            raise ValueError("is not a whole number of seconds")
        return _bounded(int(value), least, most)

    return _duration(parse, least, most)


def fine_seconds(least: float, most: float) -> SettingType[float]:
    """Durations in seconds and fractions of them."""
    return _duration(lambda text: _bounded(parse_duration(text), least, most), least, most)


def _duration(parse: Callable[[str], Number], least: Number, most: Number) -> SettingType[Number]:
    span = f"{format_duration(least)} to {format_duration(most)}"
    examples = [text for text in DURATIONS if _takes(parse, text)]
    allowed = f"a duration from {span}, such as {', '.join(examples[:4])}, or a number of seconds"
    return SettingType(parse, allowed, "number", least, most, is_duration=True)


def _takes(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def switch() -> SettingType[bool]:
    """True or false."""

    def parse(text: str) -> bool:
        if text.lower() in TRUE:
            return True
        if text.lower() in FALSE:
            return False
        raise ValueError("is neither true nor false")

    return SettingType(parse, "true or false (also 1 or 0, yes or no, on or off)", "boolean")


def choice(*allowed: str) -> SettingType[str]:
    """One of a few words, case-insensitive; the value has the case given here."""

    def parse(text: str) -> str:
        for word in allowed:
            if word.lower() == text.lower():
                return word
        raise ValueError("is not known")

    return SettingType(parse, " or ".join([", ".join(allowed[:-1]), allowed[-1]]), "option", options=allowed)


def pattern(expression: str, allowed: str) -> SettingType[str]:
    """Text that matches a regular expression as a whole."""

    def parse(text: str) -> str:
        if not re.fullmatch(expression, text):
            raise ValueError("does not have the right form")
        return text

    return SettingType(parse, allowed)


def label(longest: int) -> SettingType[str]:
    """Text to display, on one line."""

    def parse(text: str) -> str:
        if len(text) > longest or not text.isprintable():
            raise ValueError("is too long or has a control character")
        return text

    return SettingType(parse, f"1 to {longest} printable characters")


def cookie_name() -> SettingType[str]:
    """A cookie name without prefix. Source: RFC 6265 section 4.1.1 (token), RFC 6265bis (prefixes)."""

    def parse(text: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9!#%&'*+.^_`|~-][A-Za-z0-9!#$%&'*+.^_`|~-]{0,63}", text):
            raise ValueError("is not a cookie name")
        # Browsers compare prefixes without regard to case.
        if re.match(r"__(host|secure|http)-", text, re.IGNORECASE):
            raise ValueError("starts with a prefix that bodhi adds itself")
        if text.lower() in COOKIE_ATTRIBUTES:
            raise ValueError("is the name of a cookie attribute")
        return text

    return SettingType(
        parse,
        "1 to 64 letters, digits and any of !#$%&'*+-.^_`|~, without a leading $, __Host- or __Secure-,"
        " and not an attribute's name such as path",
    )


def folder() -> SettingType[Path]:
    """The absolute path of a folder, which need not exist yet."""

    def parse(text: str) -> Path:
        if not text.startswith("/"):
            raise ValueError("cannot be resolved: the user's home folder is not known")
        path = Path(text)
        try:
            mode = path.stat().st_mode  # exists() hides some errors on Python 3.14
        except (FileNotFoundError, NotADirectoryError):
            return path
        except OSError as error:
            raise ValueError(f"cannot be used: {error.strerror}") from error
        if not S_ISDIR(mode):
            raise ValueError("is not a folder")
        return path

    return SettingType(parse, "the path of a folder, which is created if missing")


def keys() -> SettingType[tuple[str, ...]]:
    """Encryption keys, newest first."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(key.strip() for key in text.split(","))
        for number, key in enumerate(found, start=1):
            # Otherwise keys on separate lines would become one key that decrypts nothing. A space counts as printable.
            if " " in key or not key.isprintable():
                raise ValueError(f"has white space or a control character in key {number} of {len(found)}")
            if len(key) < KEY_LENGTH:
                raise ValueError(f"has {len(key)} characters in key {number} of {len(found)}")
            if key in found[: number - 1]:
                raise ValueError(f"repeats an earlier key as key {number} of {len(found)}")
        return found

    return SettingType(
        parse, f"keys of at least {KEY_LENGTH} characters without white space, separated by commas, newest first"
    )


def private_key() -> SettingType[str]:
    """A private key for signatures, as it was written."""

    def parse(text: str) -> str:
        # Here, because it is slow to import.
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey, OKPKey, RSAKey

        for key_type in (RSAKey, ECKey, OKPKey):
            try:
                key = key_type.import_key(json.loads(text) if text.startswith("{") else text)
            except (JoseError, ValueError, TypeError, LookupError):
                continue
            if key.is_private:
                return text
        raise ValueError("is not a usable private key")

    return SettingType(parse, "a private RSA, EC or Ed25519 key without password, as PEM or as JWK", is_multiline=True)


def _bounded(value: Number, least: Number, most: Number) -> Number:
    if value < least:
        raise ValueError("is too small")
    if value > most:
        raise ValueError("is too large")
    return value
