"""Database URLs (dialect, validation, masking) and loopback hosts."""

import ipaddress
import re
from urllib.parse import unquote

from bodhi.errors import ConfigurationError
from bodhi.options import refusal
from bodhi.postgres_urls import may_hold_password, read_postgres_url, split_authority
from bodhi.sqlite_urls import SQLITE_FORMS, check_sqlite_url, names_somebody

MASK = "***"
# Parameters whose values are not masked; any other may be a password under a misspelt name.
_SHOWN = re.compile(
    "application_name|channel_binding|connect_timeout|database|dbname|gssencmode|host|keepalives(_[a-z]+)?"
    "|load_balance_hosts|options|port|search_path|service|sslcert|sslmode|sslnegotiation|sslrootcert"
    "|target_session_attrs"
)
# Nothing that could be credentials, a query or a fragment, whatever else is wrong with it.
_WITHOUT_PASSWORD = re.compile("(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^@?#:]*(?::[0-9]{1,5})?(?:/[^@?#:]*)?")


class BadDatabaseUrl(ConfigurationError):
    """This is no database URL that bodhi knows."""


def dialect_of(url: str) -> str:
    """Return ``sqlite`` or ``postgres``, by the scheme of *url*; raise :exc:`BadDatabaseUrl` if it is invalid."""
    if not isinstance(url, str):
        raise BadDatabaseUrl(str(refusal("url", url, f"a text: {SQLITE_FORMS}, postgres:// or postgresql://")))
    try:
        check_database_url(url)
    except ValueError as error:
        raise BadDatabaseUrl(f"{mask_url(url)!r} {error}") from error
    return "postgres" if is_postgres(url) else "sqlite"


def is_postgres(url: str) -> bool:
    """Whether *url* names a PostgreSQL database."""
    return scheme_of(url) in {"postgres", "postgresql"}


def is_memory(url: str) -> bool:
    """Whether *url* names an SQLite database in memory, visible to one process only."""
    return scheme_of(url) == "sqlite" and unquote(url.partition(":")[2]) == ":memory:"


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an IP address without brackets, is a loopback address."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def scheme_of(url: str) -> str:
    """Return the scheme of *url* in lower case."""
    return url.partition(":")[0].lower()


def check_database_url(url: str) -> None:
    """Raise :exc:`ValueError` if bodhi cannot open *url*.

    The message says what is wrong and repeats no part of the URL.
    """
    if scheme_of(url) == "sqlite":
        check_sqlite_url(url)
    elif is_postgres(url):
        read_postgres_url(url)
    else:
        raise ValueError("has no scheme that is known: write sqlite:, postgres:// or postgresql://")


def mask_url(url: str) -> str:
    """Return *url* with every password replaced by ``***``.

    Invalid URLs are masked too: if the end of the credentials is uncertain, only the scheme is kept.
    """
    scheme, slashes, rest = url.partition("://")
    if slashes and scheme_of(url) in {"http", "https"} and not re.search("[@?#]", rest):
        return url  # nowhere in it could a password be
    if scheme_of(url) == "sqlite" and not names_somebody(url):
        return _mask_fragment(_mask_parameters(url))
    authority, path_and_query = split_authority(rest)
    credentials, at, hosts = authority.rpartition("@")
    user, colon, _ = credentials.partition(":")
    if not _is_well_formed(f"{scheme}://{user}{colon}{at}{hosts}{path_and_query}"):
        return f"{scheme}://{MASK}" if slashes and re.fullmatch("[A-Za-z][A-Za-z0-9+.-]*", scheme) else MASK
    shown = MASK if may_hold_password(unquote(user)) else user
    return f"{scheme}://{shown}{colon}{MASK if colon else ''}{at}{hosts}{_mask_parameters(path_and_query)}"


def mask_http_url(url: str) -> str:
    """The same for what should be an http or https URL: shown as it is where no part of it can be a password."""
    return url if _WITHOUT_PASSWORD.fullmatch(url) else mask_url(url)


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
    if parameter and not equals:
        return MASK
    decoded = unquote(name)
    is_shown = _SHOWN.fullmatch(decoded) or (decoded == "user" and not may_hold_password(unquote(value)))
    if name and not value and not is_shown:
        return MASK  # nothing is set by it: it may be the rest of a password with an & in it
    return name + equals + (value if is_shown or not parameter else MASK)


def _mask_fragment(text: str) -> str:
    before, mark, fragment = text.partition("#")
    return before + mark + (MASK if fragment else "")
