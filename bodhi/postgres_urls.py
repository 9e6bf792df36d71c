"""Parser for PostgreSQL URLs; the driver receives the parsed parts, never the URL.

Parsers differ in where a user name, a password and a host end. A second parser could mistake a part of a password for
a host, look it up in DNS, and show it in an error.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from urllib.parse import unquote, unquote_plus, urlencode

from bodhi.postgres_parameters import read_parameters

SOMEBODY = "user name or password"
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+(?:%25[^\[\]\s]+)?\]|[^\[\]:@\s]*)(?::(?P<port>[0-9]{1,5}))?")

Host = tuple[str | None, int | None]  # None: the driver's default


@dataclass(frozen=True, slots=True, repr=False)
class PostgresUrl:
    """Address and credentials of a PostgreSQL database; None is the driver's default.

    Defaults come from a service file, the environment (``PGHOST``, ``PGUSER``, ``PGPASSWORD`` and so on) and a password
    file, as in libpq.
    """

    hosts: tuple[Host, ...]
    user: str | None
    password: str | None
    database: str | None
    parameters: Mapping[str, str]  # all others: TLS, the driver's own, and settings of the server
    connect_seconds: float = inf  # for one host, within the limit of the database
    is_balanced: bool = False  # hosts are asked in random order

    def arguments(self, host: Host) -> dict[str, object]:
        """Return the arguments of ``asyncpg.connect`` for one of *hosts*.

        asyncpg accepts TLS parameters in a DSN only, so they are passed in one without user and host.
        """
        query = urlencode(self.parameters)
        return {
            "dsn": f"postgresql://?{query}" if query else None,
            "host": host[0],
            "port": host[1],
            "user": self.user,
            "password": self.password,
            "database": self.database,
        }


def find_unusable_file(parameters: Mapping[str, str]) -> str | None:
    """Return which TLS file in *parameters* or the environment cannot be read, and why; None if all can be read."""
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        path = parameters.get(name) or os.environ.get(f"PG{name.upper()}")
        try:
            if path and path != "system" and "-----BEGIN" not in Path(path).read_text("latin-1"):
                return f"{name} {path}: not a PEM file"
        except OSError as error:
            return f"{name} {path}: {error.strerror}"
    return None


def split_authority(rest: str) -> tuple[str, str]:
    """Split what follows ``//`` into authority (credentials and hosts) and the rest from the first ``/`` or ``?``."""
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    return authority, rest[len(authority) :]


def may_hold_password(user: str) -> bool:
    """Whether a user name, once decoded, looks like ``user:password`` with a colon that was encoded, even twice."""
    return re.search(":|%3A", user, re.IGNORECASE) is not None


def read_postgres_url(url: str) -> PostgresUrl:
    """Parse *url*; raise :exc:`ValueError` with a phrase that says what is wrong and repeats no part of it."""
    rest = url.strip().partition(":")[2]
    if not rest.startswith("//"):
        raise ValueError("has no // after the scheme")
    if re.search(r"[\x00-\x1f\x7f]", rest):
        raise ValueError("holds a line feed or another control character")
    if "#" in rest:
        raise _unencoded("#", SOMEBODY)
    authority, path_and_query = split_authority(rest[2:])
    credentials, _, hosts = authority.rpartition("@")
    if "@" in credentials or "@" in path_and_query:
        # Which @ ends the password? Up to the wrong one it would be a host, or a parameter.
        raise _unencoded("@/?", SOMEBODY)
    path, _, query = path_and_query.partition("?")
    user, _, password = credentials.partition(":")
    for part, text in (("user name", user), ("password", password)):
        if "[" in text or "]" in text:
            raise _unencoded("[]", part)
    parameters = read_parameters(_parameters(query))
    # As for libpq, what stands before the parameters goes before them.
    names = {name: parameters.pop(name, None) for name in ("user", "password", "dbname", "database")}
    return PostgresUrl(
        hosts=_hosts(hosts, parameters.pop("host", None), parameters.pop("port", None)),
        user=_decoded(user, "user name") or names["user"],
        password=_decoded(password, "password") or names["password"],
        database=_decoded(path[1:], "database name") if path else names["dbname"] or names["database"],
        connect_seconds=_connect_seconds(parameters.pop("connect_timeout", "0")),
        is_balanced=_is_balanced(parameters.pop("load_balance_hosts", "disable")),
        parameters=parameters,
    )


def _unencoded(characters: str, part: str) -> ValueError:
    return ValueError(f"cannot be read: {_advice(characters, part)}")


def _advice(characters: str, part: str) -> str:
    listed = ", ".join(f"{character} as %{ord(character):02X}" for character in characters)
    return f"in a {part} {' '.join(characters)} must be percent-encoded ({listed})"


def _decoded(text: str, part: str, *, plus: bool = False) -> str:
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        raise _unencoded("%", part)
    try:
        return (unquote_plus if plus else unquote)(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"holds bytes that are no UTF-8: {_advice('%', part)}") from None


def _parameters(query: str) -> dict[str, str]:
    parameters = {}
    for field in query.split("&") if query else []:
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise ValueError(f"has a parameter without a name or a value: {_advice('?&', SOMEBODY)}")
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_.]*", unquote(name)):
            raise ValueError(f"has a parameter whose name cannot be one: {_advice('?&', SOMEBODY)}")
        if value:
            parameters[_decoded(name, "parameter", plus=True)] = _decoded(value, "parameter", plus=True)
    return parameters


def _connect_seconds(text: str) -> float:
    if not re.fullmatch("-?[0-9]{1,9}", text):
        raise ValueError("has a connect_timeout that is no whole number of seconds")
    return int(text) if int(text) > 0 else inf


def _is_balanced(text: str) -> bool:
    if text not in ("disable", "random"):
        raise ValueError("has a load_balance_hosts that is neither disable nor random")
    return text == "random"


def _hosts(authority: str, host: str | None, port: str | None) -> tuple[Host, ...]:
    if authority:
        return tuple(_host(one, is_only="," not in authority) for one in authority.split(","))
    ports = [_port(one) for one in port.split(",")] if port else []
    if not host:
        if len(ports) > 1:
            raise ValueError("has several ports and no hosts")
        return ((None, ports[0] if ports else None),)
    # Decoded already: whatever begins with a slash is the folder of a socket.
    listed: list[Host] = [
        (one, None) if one.startswith("/") else _host(one, is_only=False, encoded=False) for one in host.split(",")
    ]
    if len(ports) not in (0, 1, len(listed)):
        raise ValueError("has another number of ports than of hosts")
    if ports:
        return tuple((name, ports[number % len(ports)]) for number, (name, _) in enumerate(listed))
    return tuple(listed)


def _host(text: str, *, is_only: bool, encoded: bool = True) -> Host:
    match = _HOST.fullmatch(text)
    if match is None or not (match["host"] or is_only):
        raise ValueError(f"has a host or port that cannot be read: {_advice(':/?@[]', SOMEBODY)}")
    name = match["host"].strip("[]")
    return (_decoded(name, "host") if encoded else name) or None, _port(match["port"]) if match["port"] else None


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= 65_535:
        raise ValueError(f"has a port that is no number from 1 to 65535: {_advice(':/?', SOMEBODY)}")
    return int(text)
