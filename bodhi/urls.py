"""URLs and hosts: which database a URL names, whether its form is known, how it may be shown; which hosts are local."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import quote, unquote

from bodhi.errors import ConfigurationError

SQLITE_FORMS = "write sqlite:relative.db, sqlite:/absolute/path, sqlite:///absolute/path or sqlite::memory:"
UNENCODED = (
    "has a host or port that cannot be read; in a password / : @ # ? must be percent-encoded (%2F %3A %40 %23 %3F)"
)
MASK = "***"


class BadDatabaseUrl(ConfigurationError):
    """This is no database URL that bodhi knows."""


def dialect_of(url: str) -> str:
    """``sqlite`` or ``postgres``, by the scheme of *url*; raises :exc:`BadDatabaseUrl` for any other, or a bad form."""
    try:
        check_database_url(url)
    except ValueError as error:
        raise BadDatabaseUrl(f"{mask_url(url)!r} {error}") from error
    return "postgres" if is_postgres(url) else "sqlite"


def sqlite_path(url: str) -> str:
    """The file that a ``sqlite:`` URL names, or ``:memory:``."""
    path = unquote(url.partition(":")[2])
    return path.removeprefix("//")


def is_postgres(url: str) -> bool:
    """Whether *url* names a PostgreSQL database."""
    return scheme_of(url) in {"postgres", "postgresql"}


def is_memory(url: str) -> bool:
    """Whether *url* names an SQLite database in memory, which only one process can see."""
    return scheme_of(url) == "sqlite" and unquote(url.partition(":")[2]) == ":memory:"


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an IP address without brackets, is this machine and nobody else."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite database in the file *path*."""
    # Drivers decode percent escapes, and a ? or # would end the path.
    return "sqlite:" + re.sub("[%?#]", lambda match: quote(match[0]), str(path))


def scheme_of(url: str) -> str:
    """What stands before the first colon, in lower case."""
    return url.partition(":")[0].lower()


def check_database_url(url: str) -> None:
    """Nothing, when *url* has one of the forms that bodhi can open.

    Raises :exc:`ValueError` with a phrase that says what is wrong and repeats no part of the URL.
    """
    if scheme_of(url) == "sqlite":
        _check_sqlite(url.partition(":")[2])
    elif is_postgres(url):
        _check_postgres(url.partition(":")[2])
    else:
        raise ValueError("has no scheme that is known: write sqlite:, postgres:// or postgresql://")


def mask_url(url: str) -> str:
    """*url* as it may be shown: every password in it is ``***``.

    Refused URLs are shown too. Where the credentials end is certain in a well-formed URL alone, so of any other
    nothing but the scheme is left.
    """
    scheme, slashes, rest = url.partition("://")
    if slashes and scheme_of(url) in {"http", "https"} and not re.search("[@?#]", rest):
        return url  # nowhere in it could a password be
    authority, path_and_query = _split(rest)
    if scheme_of(url) == "sqlite" and not re.match("sqlite://[^/]", url, re.IGNORECASE):
        return _mask_parameters(url)
    # An @ further on is the end of a password that holds a slash or a question mark.
    if not _is_well_formed(url) or "@" in path_and_query:
        return f"{scheme}://{MASK}" if slashes and re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme) else MASK
    credentials, at, hosts = authority.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}://{user}{colon}{MASK if colon else ''}{at}{hosts}{_mask_parameters(path_and_query)}"


def _split(rest: str) -> tuple[str, str]:
    """The authority (credentials and hosts), and what follows it from the first slash or question mark on."""
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    return authority, rest[len(authority) :]


def _is_well_formed(url: str) -> bool:
    try:
        check_database_url(url)
    except ValueError:
        return False
    return True


def _mask_parameters(text: str) -> str:
    before, question_mark, query = text.partition("?")
    return before + question_mark + "&".join(map(_mask_parameter, query.split("&")))


def _mask_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    secret = re.search("pass|secret|token|key", unquote(name), re.IGNORECASE)
    return name + equals + (MASK if secret and value else value)


def _check_sqlite(rest: str) -> None:
    if rest == ":memory:":
        return
    if ":memory:" in rest:
        raise ValueError(f"does not name a database in memory; {SQLITE_FORMS}")
    if re.match("//[^/]", rest):
        raise ValueError(f"names a host, which SQLite has none of; {SQLITE_FORMS}")
    if re.search("[?#]", rest):
        raise ValueError(f"has parameters, of which SQLite URLs take none; {SQLITE_FORMS}")
    if rest.strip("/") == "" or rest.endswith("/") or "\0" in unquote(rest):
        raise ValueError(f"names no file; {SQLITE_FORMS}")


def _check_postgres(rest: str) -> None:
    if not rest.startswith("//"):
        raise ValueError("has no // after the scheme")
    if "#" in rest:
        raise ValueError("has a #, which must be written as %23")
    authority, path_and_query = _split(rest[2:])
    if "@" in path_and_query.partition("?")[0]:
        raise ValueError(UNENCODED)
    hosts = authority.rpartition("@")[2]
    for host in hosts.split(",") if hosts else []:
        match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\[\]:@\s]*)(?::([0-9]{1,5}))?", host)
        if not match or not 1 <= int(match[1] or 1) <= 65_535:
            raise ValueError(UNENCODED)
