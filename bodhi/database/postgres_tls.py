"""TLS with the certificate authorities of the operating system (``sslrootcert=system``), which the driver lacks."""

import os
import ssl
from collections.abc import Mapping

SYSTEM = "system"
_VERSIONS = {f"TLSv1.{minor}": ssl.TLSVersion[f"TLSv1_{minor}"] for minor in (2, 3)}


def system_context(parameters: Mapping[str, str]) -> ssl.SSLContext | None:
    """What to pass to the driver as ``ssl``; None where it reads *parameters* and the environment itself.

    As for libpq, the server's certificate and name are verified then, and a weaker ``sslmode`` is a ValueError.
    """
    if _value(parameters, "sslrootcert") != SYSTEM:
        return None
    if _value(parameters, "sslmode") not in (None, "verify-full"):
        raise ValueError("sslrootcert=system takes sslmode=verify-full")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    if certificate := _value(parameters, "sslcert"):
        password = parameters.get("sslpassword", "")
        context.load_cert_chain(certificate, _value(parameters, "sslkey"), lambda: password)
    if revoked := _value(parameters, "sslcrl"):
        context.load_verify_locations(revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    context.minimum_version = _version(parameters, "ssl_min_protocol_version", context.minimum_version)
    context.maximum_version = _version(parameters, "ssl_max_protocol_version", context.maximum_version)
    return context


def _value(parameters: Mapping[str, str], name: str) -> str | None:
    return parameters.get(name) or os.environ.get(f"PG{name.upper()}") or None


def _version(parameters: Mapping[str, str], name: str, default: ssl.TLSVersion) -> ssl.TLSVersion:
    value = parameters.get(name) or os.environ.get(f"PG{name.upper().replace('_', '')}")
    if value and value not in _VERSIONS:
        raise ValueError(f"{name} is {' or '.join(_VERSIONS)}")
    return _VERSIONS[value] if value else default
