"""Types of settings that hold several names: roles, claims, groups and parameters."""

import json
import re
from collections.abc import Collection
from urllib.parse import parse_qsl

from bodhi.settings.kinds import SettingType


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
                raise ValueError("names a header twice, or one that bodhi sets itself")
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
        raise ValueError("is not a JSON object of strings")
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
        raise ValueError("is not a JSON list of strings")
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
        raise ValueError("has a parameter that only bodhi may set")
