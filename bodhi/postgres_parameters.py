"""libpq's parameters in a PostgreSQL URL: which ones work, which change nothing here, and why others are refused.

Source: PostgreSQL 18, 34.1.2 (parameter key words). Whatever is none of libpq's is a setting of the server.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Omission(NamedTuple):
    """A parameter that the driver does not know: the values that change nothing here, and why others are refused."""

    values: str  # a regular expression; empty: none
    reason: str


_OWN_LIMITS = Omission("[0-9]+", "it takes a whole number")
_NOT_IMPLEMENTED = Omission("", "the driver does not implement it")
OMITTED: Mapping[str, Omission] = {
    "channel_binding": Omission(
        "disable|prefer", "the driver has no channel binding; sslmode=verify-full protects from the same"
    ),
    "client_encoding": Omission("(?i:auto|utf-?8|unicode)", "text is sent in UTF-8 alone"),
    "gssdelegation": Omission("0", "the driver does not delegate credentials"),
    "gssencmode": Omission("disable|prefer", "the driver does not encrypt by GSSAPI; use TLS (sslmode)"),
    "hostaddr": Omission("", "write the address in the place of the host"),
    "keepalives": _OWN_LIMITS,
    "keepalives_count": _OWN_LIMITS,
    "keepalives_idle": _OWN_LIMITS,
    "keepalives_interval": _OWN_LIMITS,
    "max_protocol_version": Omission("3[.][0-9]+|latest", "the driver speaks version 3.0 of the protocol"),
    "min_protocol_version": Omission("3[.]0", "the driver speaks version 3.0 of the protocol"),
    "oauth_client_id": _NOT_IMPLEMENTED,
    "oauth_client_secret": _NOT_IMPLEMENTED,
    "oauth_issuer": _NOT_IMPLEMENTED,
    "oauth_scope": _NOT_IMPLEMENTED,
    "replication": Omission("false|off|no|0", "this is no connection for replication"),
    "require_auth": _NOT_IMPLEMENTED,
    "requirepeer": _NOT_IMPLEMENTED,
    "requiressl": Omission("0", "write sslmode=require"),
    "scram_client_key": _NOT_IMPLEMENTED,
    "scram_server_key": _NOT_IMPLEMENTED,
    "servicefile": Omission("", "set PGSERVICEFILE"),
    "sslcertmode": Omission("allow", "the driver sends a client certificate if there is one"),
    "sslcompression": Omission("[01]", "it is 0 or 1"),
    "sslcrldir": Omission("", "write the file of the list as sslcrl"),
    "sslkeylogfile": Omission("", "set SSLKEYLOGFILE"),
    "sslsni": Omission("1", "the driver names the host to the server"),
    "tcp_user_timeout": _OWN_LIMITS,
}


def read_parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters to use; raise :exc:`ValueError` that names one that can neither be used nor left out."""
    used = dict(given)
    for name in OMITTED.keys() & used.keys():
        values, reason = OMITTED[name]
        if not re.fullmatch(values, used.pop(name)):
            raise ValueError(f"has a value of {name} that cannot be used: {reason}")
    if "ssl" in used:  # as JDBC writes it, which libpq takes as well
        if used.pop("ssl") != "true":
            raise ValueError("has a value of ssl that cannot be used: write sslmode")
        used.setdefault("sslmode", "require")
    if "fallback_application_name" in used:
        used.setdefault("application_name", used.pop("fallback_application_name"))
    return used
