"""Mapping of a user's claims to a role."""

from collections.abc import Iterable, Sequence

from bodhi.oidc.claims import Claims
from bodhi.server.access.scopes import Role, highest_role, parse_role

CLIENT_ID = "<client_id>"


class Roles:
    """Reads roles from the claim at the path *claim*; *mapping* is pairs of provider role and role, empty if equal."""

    def __init__(self, claim: str, mapping: Iterable[tuple[str, str]] = ()) -> None:
        self._path = _path_of(claim)
        self._mapping = {name: parse_role(role) for name, role in mapping}

    def of(self, claims: Claims, client_id: str) -> Role | None:
        """Return the highest role, or None if the claim is absent; raise :exc:`InvalidRoleName` if none is known."""
        names = claims.roles([client_id if name == CLIENT_ID else name for name in self._path])
        if names is None:
            return None
        if self._mapping:
            names = [str(self._mapping[name]) for name in names if name in self._mapping]
        return highest_role(names)


def _path_of(claim: str) -> Sequence[str]:
    if claim.startswith("/"):  # a JSON Pointer. Source: RFC 6901
        return [name.replace("~1", "/").replace("~0", "~") for name in claim[1:].split("/")]
    return claim.split(".")
