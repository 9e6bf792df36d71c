"""Why no response arrived, for the operator."""

import os
import ssl

import aiohttp


def cause_of(error: aiohttp.ClientError | OSError | UnicodeError) -> str:
    """Return why no response arrived, without any part of the request or response."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy of HTTP_PROXY or HTTPS_PROXY answered with status {error.status}"
    text = _cause_of(error)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the proxy of HTTP_PROXY or HTTPS_PROXY: {text}"
    return text


def _cause_of(error: aiohttp.ClientError | OSError | UnicodeError) -> str:
    if isinstance(error, aiohttp.InvalidURL | UnicodeError):
        return "its URL is not valid"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "unknown reason"
        return f"its certificate is not trusted: {reason}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        reason = error.os_error.reason if isinstance(error.os_error, ssl.SSLError) else None
        # OpenSSL's words are in capitals, with underscores.
        return f"TLS handshake failed: {(reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__
