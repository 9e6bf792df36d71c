"""What is known of a user beyond name and role: for applications behind a proxy, as headers and for gates."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bodhi.oidc.claims import Claims, names_in, path_of
from bodhi.server.access.claim_mapping import EVERYBODY, Admission

LONGEST_HEADER = 4_000  # bytes; proxies and applications limit all headers together, to 8 kB or little more

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A user's e-mail address, groups and further claims; equal only to itself, so that it is a key of caches."""

    email: str | None = None  # None: there is none that counts
    groups: frozenset[str] = frozenset()  # in every reading of the claim
    groups_text: str = ""  # in the form of :func:`joined`
    claims: Mapping[str, str] = field(default_factory=dict)  # text by header


UNKNOWN = Identity()


class IdentityReader:
    """Reads identities from claims."""

    def __init__(self, admission: Admission = EVERYBODY, claims: Iterable[tuple[str, str]] = ()) -> None:
        """*claims* are pairs of a header and the claim that it contains."""
        self._admission = admission
        self._paths = {header: path_of(claim) for header, claim in claims}

    def read(self, claims: Claims) -> Identity:
        """Return the identity in a user's *claims*."""
        return Identity(
            self._admission.email_of(claims),
            self._admission.group_names(claims),
            joined(self._admission.groups_of(claims), user_id=claims.subject),
            {header: _text_of(claims.at(path), claims.subject) for header, path in self._paths.items()},
        )

    def is_complete(self, claims: Claims) -> bool:
        """Whether *claims* contain every further claim."""
        return None not in map(claims.at, self._paths.values())


def joined(names: Sequence[str], *, user_id: str) -> str:
    """Return *names* separated by commas; in a name, a comma is ``%2C`` and a percent sign ``%25``.

    Names that do not fit into a header are left out.
    """
    kept: list[str] = []
    left = LONGEST_HEADER
    for name in names:
        text = name.replace("%", "%25").replace(",", "%2C")
        left -= _length(text) + 1
        if left < 0:
            fields = {"user_id": user_id, "names": len(names) - len(kept)}
            log.warning(
                "header for applications too long user_id=%s: %s names left out",
                *fields.values(),
                extra={"fields": fields},
            )
            break
        kept.append(text)
    return ",".join(kept)


def _text_of(value: Any, user_id: str) -> str:
    """Return a claim for a header; empty if there is none, or if it is too long."""
    if isinstance(value, list):
        return joined(names_in(value), user_id=user_id)
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if _length(text) <= LONGEST_HEADER else ""


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
