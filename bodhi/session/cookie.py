"""The session cookie: read from the raw header, set and removed with the same attributes.

Source: RFC 6265bis, sections 4.1.3 and 5.4; ``http.cookies`` is not used, since it lets quotes swallow other cookies.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time

from bodhi import options
from bodhi.errors import ConfigurationError

HOST_PREFIX = "__Host-"
MARKER_SUFFIX = "_exists"

_REMOVED = '""; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; '
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FORWARDED_HTTPS = re.compile(r'proto="?https\b', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """Name and attributes of the session cookie.

    *secure* belongs to every site under https; the cookie's name then gets the ``__Host-`` prefix, which makes browsers
    refuse the same name from a sibling host or from http, unless *host_prefix* is turned off.
    """

    name: str = "bodhiapp_session_id"
    secure: bool = False
    samesite: str = "Strict"
    host_prefix: bool = True
    full_name: str = field(init=False, repr=False, compare=False)  # the name in the browser
    _values: Callable[[str], list[str]] = field(init=False, repr=False, compare=False)
    _marker: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        options.flag("secure", self.secure)
        options.flag("host_prefix", self.host_prefix)
        if not isinstance(self.name, str):
            raise options.refusal("name", self.name, "a cookie's name")
        if not _TOKEN.fullmatch(self.name) or self.name.lower().startswith(("__host-", "__secure-")):
            raise ConfigurationError(f"{self.name!r} is not a cookie name, or has a prefix that bodhi adds itself")
        object.__setattr__(self, "samesite", _samesite(self.samesite, secure=self.secure))
        full_name = HOST_PREFIX + self.name if self.secure and self.host_prefix else self.name
        object.__setattr__(self, "full_name", full_name)
        values = re.compile(rf"(?:^|;)[ \t]*{re.escape(full_name)}[ \t]*=([^;]*)").findall
        object.__setattr__(self, "_values", values)
        marker = re.compile(rf"(?:^|;)[ \t]*{re.escape(full_name + MARKER_SUFFIX)}[ \t]*=")
        object.__setattr__(self, "_marker", marker)

    def read(self, headers: Iterable[str]) -> str | None:
        """Return the cookie's value from the ``Cookie`` header lines, or None.

        Two different values count as none: one of them was planted, and it is unknown which.
        """
        values = self.values(headers)
        return values.pop() if len(values) == 1 else None

    def values(self, headers: Iterable[str]) -> set[str]:
        """Return the distinct values of the cookie in the ``Cookie`` header lines."""
        found = self._values(";".join(headers))
        if len(found) == 1:  # nearly every request: a comprehension would take as long as the search
            return {found[0].strip(" \t")}
        return {value.strip(" \t") for value in found}

    def set(self, value: str, max_age: int | None = None) -> str:
        """Return a ``Set-Cookie`` header for a session cookie, or one that expires after *max_age* seconds."""
        return f"{self.full_name}={value}; {_age(max_age)}{self._attributes(self.samesite)}"

    def removal(self) -> str:
        """Return a ``Set-Cookie`` header that deletes the cookie."""
        return f"{self.full_name}={_REMOVED}{self._attributes(self.samesite)}"

    # A second cookie, the marker, says only that the browser holds a session. Browsers send it in requests from other
    # sites, where SameSite makes them withhold the first one.

    def headers(self, value: str | None, max_age: int | None = None) -> list[str]:
        """The ``Set-Cookie`` headers that give a browser the id *value*, or with None make it forget the session."""
        headers = [self.removal() if value is None else self.set(value, max_age)]
        samesite = self._marker_samesite
        if samesite != self.samesite:
            content = _REMOVED if value is None else f"1; {_age(max_age)}"
            headers.append(f"{self.full_name}{MARKER_SUFFIX}={content}{self._attributes(samesite)}")
        return headers

    def is_marked(self, headers: Iterable[str]) -> bool:
        """Whether the ``Cookie`` header lines have the marker."""
        # Under None the session cookie itself is sent: a marker is left from another configuration.
        return self.samesite != "None" and any(self._marker.search(header) for header in headers)

    @property
    def _marker_samesite(self) -> str:
        # Browsers withhold a Lax cookie from a POST of another site. They take None with Secure only.
        return "None" if self.secure else "Lax"

    def _attributes(self, samesite: str) -> str:
        secure = "; Secure" if self.secure else ""
        return f"Path=/; HttpOnly; SameSite={samesite}{secure}"


def _samesite(value: object, *, secure: bool) -> str:
    """Return *value* in the case of the standard, or raise :exc:`ConfigurationError`."""
    samesite = value.capitalize() if isinstance(value, str) else ""
    if samesite not in {"Strict", "Lax", "None"}:
        raise ConfigurationError(f"SameSite is Strict, Lax or None (a text), not {value!r}")
    if samesite == "None" and not secure:
        raise ConfigurationError("SameSite=None needs secure=True: browsers drop the cookie otherwise")
    return samesite


def _age(max_age: int | None) -> str:
    if max_age is None:
        return ""
    return f"Max-Age={max_age}; Expires={formatdate(time() + max_age, usegmt=True)}; "


def claims_https(headers: Mapping[str, str]) -> bool:
    """Return whether proxy headers indicate https. Clients can forge them."""
    forwarded_proto = headers.get("X-Forwarded-Proto", "")
    return "https" in forwarded_proto.lower() or bool(_FORWARDED_HTTPS.search(headers.get("Forwarded", "")))
