"""OAuth clients."""

import hmac
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bodhi.urls import is_loopback


@dataclass(slots=True)
class Client:
    """An OAuth client; without a secret, a public client."""

    client_id: str
    secret: str | None = field(default=None, repr=False)
    name: str = ""
    description: str = ""
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    any_loopback: bool = False  # accept every loopback URL as a redirect URI
    backchannel_logout_uri: str | None = None

    @property
    def scope(self) -> str:
        """The scope that puts this client into the audience of another client's tokens."""
        return f"scope_{self.client_id}"

    def may_return_to(self, uri: str) -> bool:
        """Return whether this is a registered redirect URI."""
        return uri in self.redirect_uris or (self.any_loopback and _is_loopback_url(uri))

    def may_end_at(self, uri: str) -> bool:
        """Return whether this is a registered post-logout redirect URI."""
        return uri in self.post_logout_redirect_uris or (self.any_loopback and _is_loopback_url(uri))

    def has_secret(self, secret: str | None) -> bool:
        """Return whether *secret* is the client's secret; None for public clients."""
        if self.secret is None or secret is None:
            return self.secret is secret
        return hmac.compare_digest(self.secret.encode(), secret.encode())


def _is_loopback_url(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return False
    plain = parts.scheme in {"http", "https"} and "@" not in parts.netloc and not parts.fragment and "\\" not in uri
    return plain and host is not None and is_loopback(host)
