"""The provider's own description (OpenID Connect Discovery 1.0, RFC 8414)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from bodhi.oidc.client_authentication import ClientEndpoint

_LONGEST_QUOTED = 200  # characters of the issuer in a message


@dataclass(frozen=True, slots=True)
class Metadata:
    """Endpoints and capabilities of a provider; *raw* holds all that it sent."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    revocation_endpoint: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, issuer: str, body: Mapping[str, Any], *, allows_http: bool = False) -> Self:
        """Read *body*; raise ValueError if the issuer differs or an endpoint is missing.

        Endpoints with http are accepted only if the issuer has http, too; with *allows_http* also those that no browser
        is sent to.
        """
        if body.get("issuer") != issuer:
            raise ValueError(_other_issuer(body.get("issuer"), issuer))
        is_http = issuer.startswith("http:")
        found = {
            name: _endpoint(body.get(name), allows_http=is_http or (allows_http and name not in _FOR_BROWSERS))
            for name in (*_REQUIRED, *_OPTIONAL)
        }
        for name in _REQUIRED:
            if found[name] is None:
                raise ValueError(f"the metadata have no usable {name}")
        return cls(issuer=issuer, raw=body, **found)  # type: ignore[arg-type] # the required ones are not None

    @classmethod
    def of_keycloak(cls, issuer: str) -> Self:
        """Return a Keycloak realm's paths below *issuer*, for realms with discovery switched off."""
        base = f"{issuer.removesuffix('/')}/protocol/openid-connect"
        return cls(
            issuer=issuer,
            authorization_endpoint=f"{base}/auth",
            token_endpoint=f"{base}/token",
            jwks_uri=f"{base}/certs",
            userinfo_endpoint=f"{base}/userinfo",
            end_session_endpoint=f"{base}/logout",
            revocation_endpoint=f"{base}/revoke",
        )

    def announced(self, name: str) -> tuple[str, ...] | None:
        """Return the names in the list *name*, such as ``scopes_supported``, or None if there is none."""
        names = self.raw.get(name)
        return tuple(one for one in names if isinstance(one, str)) if isinstance(names, list) else None

    @property
    def announces_issuer(self) -> bool:
        """Whether authorization responses carry ``iss`` (RFC 9207)."""
        return self.raw.get("authorization_response_iss_parameter_supported") is True

    @property
    def token(self) -> ClientEndpoint:
        """The token endpoint, with its own list of methods to authenticate clients."""
        return self._client_endpoint(self.token_endpoint, "token_endpoint_auth_methods_supported")

    @property
    def revocation(self) -> ClientEndpoint | None:
        """The revocation endpoint, with its own list, or that of the token endpoint if it has none."""
        if self.revocation_endpoint is None:
            return None
        name = "revocation_endpoint_auth_methods_supported"
        if self.announced(name) is None:
            name = "token_endpoint_auth_methods_supported"
        return self._client_endpoint(self.revocation_endpoint, name)

    def _client_endpoint(self, url: str, methods: str) -> ClientEndpoint:
        return ClientEndpoint(url, (self.token_endpoint, self.issuer), self.announced(methods))


_REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OPTIONAL = ("userinfo_endpoint", "end_session_endpoint", "revocation_endpoint")
_FOR_BROWSERS = ("authorization_endpoint", "end_session_endpoint")


def _other_issuer(found: object, issuer: str) -> str:
    if not isinstance(found, str) or not found.isprintable():
        return f"the metadata name no issuer; BODHI_AUTH_ISSUER is {issuer}"
    text = f"the metadata name the issuer {found[:_LONGEST_QUOTED]}, but BODHI_AUTH_ISSUER is {issuer}"
    if found.rstrip("/") == issuer.rstrip("/"):
        text += f": they differ by the slash at the end; set BODHI_AUTH_ISSUER={found}"
    return text


def _endpoint(url: object, *, allows_http: bool) -> str | None:
    """Return *url* if it is an absolute URL, or None."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        is_allowed = parts.scheme == "https" or (parts.scheme == "http" and allows_http)
        return url if is_allowed and parts.hostname and not parts.fragment else None
    except ValueError:
        return None
