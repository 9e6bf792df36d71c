"""Database URLs: which database one names, and how to show it."""

import re
from urllib.parse import unquote

from bodhi.errors import ConfigurationError

POSTGRES_SCHEMES = ("postgres", "postgresql")
SCHEMES = ("sqlite", *POSTGRES_SCHEMES)

_PASSWORD = re.compile(r"(?P<before>^[^:/?#]+://[^:@/?#]*:)[^/?#]*(?=@)")
_PASSWORD_OPTION = re.compile(r"(?P<before>[?&](?:password|passfile|sslpassword)=)[^&#]*", re.IGNORECASE)


class BadDatabaseUrl(ConfigurationError):
    """This is no database URL that bodhi knows."""


def dialect_of(url: str) -> str:
    """``sqlite`` or ``postgres``, by the scheme of *url*."""
    scheme, colon, _ = url.partition(":")
    if not colon or scheme.lower() not in SCHEMES:
        shown = f"the scheme {scheme!r}" if colon else "no scheme"
        raise BadDatabaseUrl(
            f"a database URL starts with sqlite:, postgres:// or postgresql://, and this one has {shown}"
        )
    return "sqlite" if scheme.lower() == "sqlite" else "postgres"


def sqlite_path(url: str) -> str:
    """The file that a ``sqlite:`` URL names, or ``:memory:``.

    ``sqlite:relative.db``, ``sqlite:/abs/path``, ``sqlite:///abs/path`` and ``sqlite::memory:``.
    """
    rest = url.partition(":")[2]
    if "?" in rest or "#" in rest:
        raise BadDatabaseUrl("a sqlite: URL takes no options: write sqlite:/path/to/file")
    if rest.startswith("//"):
        if not rest.startswith("///"):
            raise BadDatabaseUrl("a sqlite: URL names no host: write sqlite:relative.db or sqlite:///path/to/file")
        rest = rest[2:]
    path = unquote(rest)
    if not path or path.endswith("/") or "\0" in path:
        raise BadDatabaseUrl("this sqlite: URL names no file: write sqlite:/path/to/file or sqlite::memory:")
    return path


def masked(url: str) -> str:
    """*url* with every password in it replaced by ``***``."""
    return _PASSWORD_OPTION.sub(r"\g<before>***", _PASSWORD.sub(r"\g<before>***", url))
