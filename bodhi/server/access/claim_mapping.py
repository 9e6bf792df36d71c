"""What a user's claims decide: whether the user may log in, the role, and the name to show."""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter

from bodhi.oidc.claims import Claims, display_name, is_one_name, is_true, names_in, nonempty_text, path_of, readings_of
from bodhi.server.access.errors import InvalidRoleName, NotAllowed
from bodhi.server.access.scopes import Role, parse_role

CLIENT_ID = "<client_id>"
_SCOPES = frozenset({"scope", "scp"})  # claims with names between spaces (RFC 8693, 4.2; Entra ID and Okta)
SEVERAL = 20  # mapped names in a line of the log

_GROUP = "group:"
_JSON_TYPES = {str: "text", list: "a list", dict: "an object", bool: "true or false"}

log = logging.getLogger(__name__)


class AllowList:
    """Users by e-mail address (``ann@example.org``), domain (``@example.org``) or group (``group:staff``)."""

    def __init__(self, entries: Collection[str]) -> None:
        self.groups = {text.removeprefix(_GROUP) for text in entries if text.startswith(_GROUP)}
        self.emails = {_folded(text) for text in entries if not text.startswith(_GROUP)}  # and domains

    def includes(self, email: str | None, groups: Iterable[str]) -> bool:
        """Whether a user with the address *email*, if any, and in *groups* is listed."""
        return self._lists_email(email) or not self.groups.isdisjoint(groups)

    def _lists_email(self, email: str | None) -> bool:
        if email is None or email.count("@") != 1:
            return False
        folded = _folded(email)
        return folded in self.emails or folded[folded.index("@") :] in self.emails


class Admission:
    """Admits users by e-mail address, domain or group; everybody if nothing is listed."""

    def __init__(
        self, allowed: Collection[str] = (), *, groups_claim: str = "groups", trusts_email: bool = False
    ) -> None:
        """*allowed* are entries of an :class:`AllowList`.

        With *trusts_email* an e-mail address counts without ``email_verified``.
        """
        self._allowed = AllowList(allowed)
        self._groups_path = path_of(groups_claim)
        self._trusts_email = trusts_email

    def admits(self, claims: Claims) -> bool:
        """Whether the user with *claims* may log in."""
        if not self._allowed.groups and not self._allowed.emails:
            return True
        return self._allowed.includes(self.email_of(claims), self.group_names(claims))

    def is_decided_by(self, claims: Claims) -> bool:
        """Whether *claims* contain all that the decision needs; otherwise userinfo may have more."""
        if self.admits(claims):
            return True
        email, is_verified = _email_of(claims)
        lacks_email = email is None or (is_verified is None and not self._trusts_email)
        lacks_groups = claims.at(self._groups_path) is None
        return not (self._allowed.emails and lacks_email) and not (self._allowed.groups and lacks_groups)

    def email_of(self, claims: Claims) -> str | None:
        """Return the e-mail address, or None if there is none that counts."""
        email, is_verified = _email_of(claims)
        return email if is_verified or self._trusts_email else None

    def groups_of(self, claims: Claims) -> Sequence[str]:
        """Return the groups in order."""
        return names_in(claims.at(self._groups_path))

    def group_names(self, claims: Claims) -> frozenset[str]:
        """Return the groups in every reading of the claim: a text may also be the name of one."""
        return frozenset(name for names in readings_of(claims.at(self._groups_path)) for name in names)


EVERYBODY = Admission()


class ClaimMapping:
    """Reads the role and the name of a user from the claims that the settings name."""

    def __init__(
        self,
        roles_claim: str,
        roles: Iterable[tuple[str, str]] = (),
        *,
        default_role: str | None = None,
        name_claim: str | None = None,
        admission: Admission = EVERYBODY,
        grants_here: bool = False,
    ) -> None:
        """*roles* are pairs of a provider's role and a role, empty if they are equal.

        *default_role* is the least role of everybody who logs in. Without *name_claim*, the usual claims are used.
        With *grants_here*, a role that a manager gave here comes before the claims.
        """
        self._roles_claim = roles_claim
        self._roles_path = path_of(roles_claim)
        self._roles = {name: parse_role(role) for name, role in roles} or {str(role): role for role in Role}
        self._default_role = None if default_role is None else parse_role(default_role)
        self.admission = admission
        self.grants_here = grants_here
        self._name_path = None if name_claim is None else path_of(name_claim)

    def role_of(self, claims: Claims, client_id: str, granted: str | None = None) -> Role | None:
        """Return the highest role, or None if the claim is absent.

        *granted* is the role that a manager gave here, empty if it was taken away. Raises :exc:`InvalidRoleName` if
        none is known, and :exc:`NotAllowed` if the user may not log in.
        """
        if not self.admission.admits(claims):
            raise NotAllowed
        if granted is not None and self.grants_here:
            return parse_role(granted) if granted else None
        names = self._role_names(claims, client_id)
        known = [self._roles[name] for name in names or () if name in self._roles]
        if self._default_role is not None:
            known.append(self._default_role)
        if known:
            return max(known, key=attrgetter("rank"))
        if names is None:
            return None
        raise InvalidRoleName

    def name_of(self, claims: Claims) -> str:
        """Return the name to show for the user; the subject if there is no other."""
        return self._named(claims) or claims.shown_name

    def is_decided(self, claims: Claims, client_id: str) -> bool:
        """Whether *claims* contain what decides what the user may do."""
        return self._role_names(claims, client_id) is not None and self.admission.is_decided_by(claims)

    def is_complete(self, claims: Claims, client_id: str) -> bool:
        """Whether *claims* contain that and a name."""
        return self._named(claims) is not None and self.is_decided(claims, client_id)

    def log_missing_role(self, claims: Claims, client_id: str, granted: str | None = None) -> None:
        """Log why the user has no role; at DEBUG also the claim, or without it the names of those that arrived."""
        reason = "it was taken away here" if granted == "" else self._why_no_role(claims, client_id)
        fields = {"user_id": claims.subject, "reason": reason}
        log.info("login without a role user_id=%s: %s", *fields.values(), extra={"fields": fields})
        value = claims.at(self._path(client_id))
        if value is None:
            names = {name for source in claims.sources for name in source}
            log.debug("claims that arrived: %s", ", ".join(sorted(names)))
        else:
            log.debug("%s = %r", self._claim(client_id), value)

    def _why_no_role(self, claims: Claims, client_id: str) -> str:
        value, claim = claims.at(self._path(client_id)), self._claim(client_id)
        if value is None:
            return f"there is no claim {claim} (BODHI_AUTH_ROLES_CLAIM)"
        names = self._role_names(claims, client_id)
        if names is None:
            kind = _JSON_TYPES.get(type(value), "a number")
            return f"the claim {claim} (BODHI_AUTH_ROLES_CLAIM) holds no names, but {kind}"
        if not names:
            return f"the claim {claim} (BODHI_AUTH_ROLES_CLAIM) is empty"
        number = len(names)
        which = f"the only name in {claim} is not" if number == 1 else f"none of the {number} names in {claim} is"
        known = ", ".join(islice(self._roles, SEVERAL)) + (", …" if len(self._roles) > SEVERAL else "")
        return f"{which} known (BODHI_AUTH_ROLES: {known})"

    def _claim(self, client_id: str) -> str:
        return self._roles_claim.replace(CLIENT_ID, client_id)

    def _named(self, claims: Claims) -> str | None:
        """Return the name in the claim of the settings, or the username; None if there is none."""
        return claims.username if self._name_path is None else display_name(claims.at(self._name_path))

    def _role_names(self, claims: Claims, client_id: str) -> Sequence[str] | None:
        """Return the names in the claim, in the first reading with a known one; None if the claim holds no names."""
        value = claims.at(self._path(client_id))
        readings = list(readings_of(value))
        if not readings:
            return None
        if is_one_name(value):
            readings += self._guesses_at(value)
        return next((names for names in readings if not self._roles.keys().isdisjoint(names)), readings[0])

    def _guesses_at(self, text: str) -> Iterator[Sequence[str]]:
        """Yield the names between commas, unless it is an LDAP name, and the words if no other word is among them.

        "former staff" is one group, and not the group "staff".
        """
        if "=" not in text:
            yield [name.strip() for name in text.split(",")]
        words = text.split()
        if self._roles_path[-1] in _SCOPES or all(word in self._roles for word in words):
            yield words

    def _path(self, client_id: str) -> Sequence[str]:
        return [name.replace(CLIENT_ID, client_id) for name in self._roles_path]


def _email_of(claims: Claims) -> tuple[str | None, bool | None]:
    """Return the e-mail address, and whether it is verified; None if that is said nowhere."""
    sources = [source for source in claims.sources if nonempty_text(source.get("email")) is not None]
    if not sources:
        return None, None
    email = sources[0]["email"]
    said = [source["email_verified"] for source in sources if source["email"] == email and "email_verified" in source]
    return email, is_true(said[0]) if said else None


def _folded(email: str) -> str:
    # Some letters outside of ASCII become ASCII letters in lower case, and would match another address.
    return email.lower() if email.isascii() else email
