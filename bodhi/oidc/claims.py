"""Claims of an access token, and their values: where a path leads, and the names that providers write in many shapes.

Providers differ in the types of claims. An optional claim is read leniently: a number as its digits, a list of names
as its names, anything else as absent. Only a required claim can make a token invalid.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeGuard

import msgspec

from bodhi.oidc.errors import MalformedToken

_LARGEST = 2**53  # larger numbers are not exact in JSON

# Members that hold the name of a role or group, for providers that list objects; the first one present counts.
_NAME_MEMBERS = ("name", "displayName", "display", "role", "authority", "value", "id")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of one access token, each with a fixed type.

    *sources* are the token's payload and its fallbacks, as the provider sent them.
    """

    subject: str
    expires_at: int  # seconds since 1970
    not_before: int = 0  # seconds since 1970
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    authorized_party: str | None = None  # ``azp``: the client that the token was issued to
    client_id: str | None = None  # the same, as RFC 9068 calls it
    scope: str = ""
    token_id: str | None = None  # ``jti``
    username: str | None = None  # ``preferred_username``, else ``email``, else ``name``
    full_name: str = ""  # ``name``, else the first and last name
    first_name: str | None = None
    last_name: str | None = None
    access_request_id: str | None = None
    sources: Sequence[Mapping[str, Any]] = field(default=(), repr=False)

    @classmethod
    def of(cls, payload: object, *fallbacks: Mapping[str, Any], required: Collection[str] = ()) -> Self:
        """Read the claims of a token's payload; a missing or invalid one is taken from the *fallbacks*.

        Raises :exc:`MalformedToken` if ``sub``, ``exp`` or one of *required* is valid in none of them; the log names
        the claim.
        """
        if not isinstance(payload, dict):
            raise MalformedToken
        sources = (payload, *fallbacks)
        read: dict[str, Any] = dict.fromkeys(_READERS)
        for name, reader in _READERS.items():
            for source in sources:
                if (value := reader(source.get(name))) is not None:
                    read[name] = value
                    break
        for name in ("sub", "exp", *required):
            if read[name] is None:
                log.info("token rejected: claim %s is missing or has the wrong type", name)
                raise MalformedToken
        return cls(
            subject=read["sub"],
            expires_at=read["exp"],
            not_before=read["nbf"] or 0,
            issuer=read["iss"],
            audience=read["aud"] or (),
            authorized_party=read["azp"],
            client_id=read["client_id"],
            scope=read["scope"] or "",
            token_id=read["jti"],
            username=read["preferred_username"] or read["email"] or read["name"],
            full_name=read["name"] or " ".join(filter(None, (read["given_name"], read["family_name"]))),
            first_name=read["given_name"],
            last_name=read["family_name"],
            access_request_id=read["access_request_id"],
            sources=sources,
        )

    @property
    def shown_name(self) -> str:
        """The username, or the subject if there is none."""
        return self.username or self.subject

    def at(self, path: Sequence[str]) -> Any:
        """Return the value at *path* (``("resource_access", "bodhi", "roles")``) in the first source that has one."""
        for source in self.sources:
            if (value := value_at(source, path)) is not None:
                return value
        return None


def path_of(claim: str) -> Sequence[str]:
    """Return the path that a setting names: names separated by dots, or a JSON Pointer (RFC 6901)."""
    if claim.startswith("/"):
        return [name.replace("~1", "/").replace("~0", "~") for name in claim[1:].split("/")]
    return claim.split(".")


def value_at(value: object, path: Sequence[str]) -> Any:
    """Return what *path* leads to in the object *value*, or None.

    Names of the path may belong together: ``example.org/roles`` is tried as one name before it is split at the dot.
    """
    if not path:
        return value
    if not isinstance(value, Mapping):
        return None
    for length in range(len(path), 0, -1):
        found = value_at(value.get(".".join(path[:length])), path[length:])
        if found is not None:
            return found
    return None


def readings_of(value: object) -> Iterator[Sequence[str]]:
    """Yield the lists of names that a claim holds, the most literal one first; none if it holds no names.

    A list holds names or objects with a name; an object's keys are the names (Zitadel). A text is one name, or a list
    in JSON, or names between semicolons (LemonLDAP). At commas and white space it is not split: both are frequent
    within names, and nobody may get into a group by another's name.
    """
    if isinstance(value, str):
        yield [value]
        yield from list(readings_of(_decoded(value))) or [_between_semicolons(value)]
    elif isinstance(value, list):
        yield [name for item in value if (name := _name_of(item)) is not None]
    elif isinstance(value, dict):
        yield [name for name, details in value.items() if _is_on(details)]
    elif (number := identifier(value)) is not None:
        yield [number]


def names_in(value: object) -> Sequence[str]:
    """Return the names that a claim holds, in the last one of its readings."""
    readings = list(readings_of(value))
    return readings[-1] if readings else []


def is_one_name(value: object) -> TypeGuard[str]:
    """Whether *value* is a text that has no other reading than one name."""
    return isinstance(value, str) and names_in(value) == [value.strip()]


def identifier(value: object) -> str | None:
    """Return an identifier claim as text; a number becomes its digits, anything else None."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    return nonempty_text(value)


def seconds(value: object) -> int | None:
    """Return a time claim in seconds since 1970, or None if *value* is not a time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LARGEST:
        return None
    return int(value)


def is_true(value: object) -> bool:
    """Whether *value* is JSON's ``true``, or that word as text, as some providers send it."""
    return value is True or value == "true"


def text(value: object) -> str | None:
    """Return text that a database can store, or None."""
    # PostgreSQL cannot store a NUL character.
    return value if isinstance(value, str) and "\0" not in value else None


def nonempty_text(value: object) -> str | None:
    """Return text that is not empty and that a database can store, or None."""
    return text(value) or None


def display_name(value: object) -> str | None:
    """Return a name to show: a text, a number, or a list of them joined; None for anything else."""
    parts = value if isinstance(value, list) else [value]
    return " ".join(filter(None, map(identifier, parts))) or None


def scope(value: object) -> str | None:
    """Return the scope, separated by spaces (RFC 8693, 4.2); Duende and Spring send a list."""
    if isinstance(value, list):
        return " ".join(name for name in value if text(name)) or None
    return text(value)


def audience(value: object) -> tuple[str, ...] | None:
    """Return the audience, one or a list (RFC 7519, 4.1.3), or None."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        return None
    return tuple(values)


def json_value(data: bytes | str) -> object:
    """Return the value that untrusted JSON holds, or None."""
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return None


def json_object(data: bytes | str) -> dict[str, Any] | None:
    """Return the object that untrusted JSON holds, or None if it is anything else."""
    value = json_value(data)
    return value if isinstance(value, dict) else None


def _between_semicolons(value: str) -> Sequence[str]:
    return [name for part in value.split(";") if (name := part.strip())]


def _is_on(details: object) -> bool:
    """Whether the name with *details* in an object counts, rather than being switched off."""
    return details != "false" and (bool(details) or details == {})


def _name_of(item: object) -> str | None:
    if isinstance(item, dict):
        item = next((item[member] for member in _NAME_MEMBERS if item.get(member) is not None), None)
    return identifier(item)


def _decoded(value: str) -> object:
    """Return the list or object that is written in *value* as JSON, or None."""
    return json_value(value) if value.startswith(("[", "{")) else None


_READERS: Mapping[str, Callable[[object], Any]] = {
    "sub": nonempty_text,
    "exp": seconds,
    "nbf": seconds,
    "iss": text,
    "aud": audience,
    "azp": text,
    "client_id": text,
    "scope": scope,
    "jti": identifier,
    "preferred_username": display_name,
    "email": nonempty_text,
    "name": display_name,
    "given_name": display_name,
    "family_name": display_name,
    "access_request_id": text,
}
