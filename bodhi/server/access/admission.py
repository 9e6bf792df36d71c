"""Who may log in, of those whom the provider lets in."""

from collections.abc import Collection, Iterable, Sequence

from bodhi.oidc.claims import Claims, is_true, names_in, nonempty_text, path_of, readings_of

_GROUP = "group:"


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


EVERYBODY = Admission()
