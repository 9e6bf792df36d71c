"""Types of settings: parsers and descriptions of the allowed values.

A parser raises :exc:`ValueError` with a phrase that continues after the value ("is not a whole number"). The phrase
never repeats the value, which may be a secret.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar
from urllib.parse import parse_qsl

from bodhi.settings.durations import format_duration, parse_duration
from bodhi.urls import check_database_url

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


def host() -> SettingType[str]:
    """A host name or an IP address; an IPv6 address loses its brackets."""

    def parse(text: str) -> str:
        bare = text[1:-1] if re.fullmatch(r"\[.*\]", text) else text
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            # Underscores are not allowed in host names, but container networks use them in service names.
            label = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
            # A name whose last label is a number is an invalid IP address.
            if bare != text or len(text) > 253 or not re.fullmatch(rf"({label}\.)*(?![0-9]+$){label}", text):
                raise ValueError("is neither a host name nor an IP address") from None
        return bare

    return SettingType(parse, "a host name or an IP address, without scheme and port")


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
            if path.exists() and not path.is_dir():
                raise ValueError("is not a folder")
        except OSError as error:
            raise ValueError(f"cannot be used: {error.strerror}") from error
        return path

    return SettingType(parse, "the path of a folder, which is created if missing")


def database_url() -> SettingType[str]:
    """The URL of an SQLite or PostgreSQL database, as it was written."""

    def parse(text: str) -> str:
        check_database_url(text)
        return text

    return SettingType(
        parse,
        "sqlite:relative.db, sqlite:/absolute/path, sqlite:///absolute/path, sqlite:~/path, sqlite::memory:,"
        " postgres://… or postgresql://…",
    )


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
        raise ValueError("is not such a key")

    return SettingType(parse, "a private RSA, EC or Ed25519 key without password, as PEM or as JWK", is_multiline=True)


def http_url(*, keeps_slash: bool = False, takes_query: bool = False) -> SettingType[str]:
    """An absolute http or https URL without credentials and fragment, and without query unless *takes_query*.

    A trailing slash is dropped unless *keeps_slash*.
    """
    host_type = host()
    query = r"(?:\?[^#\s\\]*)?" if takes_query else ""

    def parse(text: str) -> str:
        match = re.fullmatch(r"https?://(\[[^/\]]*\]|[^/?#@\[\]:]+)(?::([0-9]{1,5}))?(/[^?#\s\\]*)?" + query, text)
        if not match or not 1 <= int(match[2] or 1) <= 65_535:
            raise ValueError("is not such a URL")
        host_type.parse(match[1])
        return text if keeps_slash else text.rstrip("/")

    without = "user and fragment" if takes_query else "user, query and fragment"
    return SettingType(parse, f"an http:// or https:// URL without {without}")


def networks() -> SettingType[tuple[str, ...]]:
    """IP addresses and networks in CIDR form."""

    def parse(text: str) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_network(part.strip())) for part in text.split(","))
        except ValueError:
            raise ValueError("is not a list of IP addresses and networks") from None

    return SettingType(parse, "IP addresses and networks such as 10.0.0.0/8, separated by commas")


def hosts() -> SettingType[tuple[str, ...]]:
    """Host names and IP addresses."""
    one = host()

    def parse(text: str) -> tuple[str, ...]:
        return tuple(one.parse(part.strip()).lower() for part in text.split(","))

    return SettingType(parse, "host names and IP addresses without port, separated by commas")


def pairs(allowed: Collection[str]) -> SettingType[tuple[tuple[str, str], ...]]:
    """``name=known`` pairs: the part after the last equals sign is one of *allowed*, and each name appears once.

    A JSON object takes names with commas.
    """

    def parse(text: str) -> tuple[tuple[str, str], ...]:
        found: dict[str, str] = {}
        for name, known in _json_pairs(text) if text.startswith("{") else _plain_pairs(text):
            if not known or not name:
                raise ValueError("is not a list of pairs")
            if known not in allowed:
                raise ValueError("names an unknown role")
            if name in found:
                raise ValueError("has two pairs with the same name")
            found[name] = known
        if not found:
            raise ValueError("is not a list of pairs")
        return tuple(found.items())

    one = next(iter(allowed))
    return SettingType(
        parse,
        f"pairs such as staff={one}, separated by commas, or as a JSON object, such as "
        f'{{"CN=staff,OU=groups": "{one}"}}; known are {", ".join(allowed)}',
        takes_json=True,
    )


def header_claims(reserved: Collection[str]) -> SettingType[tuple[tuple[str, str], ...]]:
    """``X-BodhiApp-Name=claim`` pairs, without the names in *reserved*. A JSON object takes claims with commas."""

    def parse(text: str) -> tuple[tuple[str, str], ...]:
        is_json = text.startswith("{")
        found = _json_pairs(text) if is_json else [_split_once(part) for part in text.split(",")]
        taken = {f"x-bodhiapp-{name.lower()}" for name in reserved}
        for header, claim in found:
            if not re.fullmatch("X-BodhiApp-[A-Za-z0-9]+(-[A-Za-z0-9]+)*", header, re.IGNORECASE) or len(header) > 64:
                raise ValueError("has a header that is not X-BodhiApp- and letters and digits")
            if header.lower() in taken:
                raise ValueError("names a header twice, or one that has another content")
            if not re.fullmatch(r"\S{1,255}", claim):
                raise ValueError("has a header without a claim")
            taken.add(header.lower())
        if not found:
            raise ValueError("is not a list of pairs")
        return tuple(found)

    return SettingType(
        parse,
        "pairs such as X-BodhiApp-Department=department, separated by commas, or as a JSON object; the header begins "
        "with X-BodhiApp-, which proxies and bodhi remove from requests of clients",
        takes_json=True,
    )


def _split_once(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name.strip(), value.strip()


def _plain_pairs(text: str) -> list[tuple[str, str]]:
    parts = [part.rpartition("=") for part in text.split(",")]
    return [(name.strip(), known.strip()) for name, _, known in parts]


def _json_pairs(text: str) -> list[tuple[str, str]]:
    try:
        found = json.loads(text, object_pairs_hook=list)  # a dict would drop repeated names
    except (ValueError, RecursionError):
        raise ValueError("is not a JSON object") from None
    if not all(isinstance(known, str) for _, known in found):
        raise ValueError("is not a JSON object of texts")
    return [(name.strip(), known) for name, known in found]


def admissions() -> SettingType[tuple[str, ...]]:
    """Who may log in: e-mail addresses, domains and groups. A JSON list takes groups with commas."""

    def parse(text: str) -> tuple[str, ...]:
        parts = _json_texts(text) if text.startswith("[") else text.split(",")
        return tuple(_admission(part.strip()) for part in parts)

    return SettingType(
        parse,
        "e-mail addresses (ann@example.org), domains (@example.org) and groups (group:staff), separated by commas, or "
        'as a JSON list, such as ["group:CN=staff,OU=groups"]',
        takes_json=True,
    )


def _json_texts(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is not a JSON list") from None
    if not found or not all(isinstance(one, str) for one in found):
        raise ValueError("is not a JSON list of texts")
    return list(found)


def _admission(text: str) -> str:
    if re.fullmatch(r"group:\s*\S.*", text):
        return "group:" + text.removeprefix("group:").strip()
    if not re.fullmatch(r"[^@\s,:]*@[^@\s,:]*[^@\s,:.]", text):
        raise ValueError("is not a list of e-mail addresses, domains and groups")
    return text


def query_parameters(reserved: Collection[str]) -> SettingType[str]:
    """Parameters in the form of a URL's query, without the names in *reserved*; as they were written."""

    def parse(text: str) -> str:
        try:
            found = parse_qsl(text, keep_blank_values=True, strict_parsing=True, errors="strict")
        except ValueError:
            raise ValueError("is not a list of parameters") from None
        for name, value in found:
            _check_parameter_name(name, reserved)
            if not value.isprintable():
                raise ValueError("has a control character in a value")
        return text

    return SettingType(parse, "parameters such as prompt=consent&access_type=offline, percent-encoded as in a URL")


def parameter_names(reserved: Collection[str]) -> SettingType[str]:
    """Names of parameters without those in *reserved*, or ``none``; as they were written."""

    def parse(text: str) -> str:
        for name in text.split(","):
            _check_parameter_name(name.strip(), reserved)
        return text

    return SettingType(parse, "names such as login_hint, separated by commas, or none")


def _check_parameter_name(name: str, reserved: Collection[str]) -> None:
    if not re.fullmatch("[A-Za-z0-9_.-]{1,64}", name):
        raise ValueError("has a name that is not made of letters, digits and any of _ . -")
    if name in reserved:
        raise ValueError("has a parameter that bodhi sets itself")


def _bounded(value: Number, least: Number, most: Number) -> Number:
    if value < least:
        raise ValueError("is too small")
    if value > most:
        raise ValueError("is too large")
    return value
