"""Types of settings that hold addresses: hosts, networks and URLs."""

import ipaddress
import re

from bodhi.settings.kinds import SettingType
from bodhi.urls import check_database_url


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


def hosts() -> SettingType[tuple[str, ...]]:
    """Host names and IP addresses."""
    one = host()

    def parse(text: str) -> tuple[str, ...]:
        return tuple(one.parse(part.strip()).lower() for part in text.split(","))

    return SettingType(parse, "host names and IP addresses without port, separated by commas")


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


def http_url(*, keeps_slash: bool = False, takes_query: bool = False) -> SettingType[str]:
    """An absolute http or https URL without credentials and fragment, and without query unless *takes_query*.

    A trailing slash is dropped unless *keeps_slash*.
    """
    host_type = host()
    query = r"(?:\?[^#\s\\]*)?" if takes_query else ""

    def parse(text: str) -> str:
        match = re.fullmatch(r"https?://(\[[^/\]]*\]|[^/?#@\[\]:]+)(?::([0-9]{1,5}))?(/[^?#\s\\]*)?" + query, text)
        if not match or not 1 <= int(match[2] or 1) <= 65_535:
            raise ValueError("is not a valid URL")
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
