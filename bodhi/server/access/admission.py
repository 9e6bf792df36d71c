"""Who may log in, of those whom the provider lets in."""

from collections.abc import Collection, Mapping
from typing import Any

from bodhi.oidc.claim_values import nonempty_text, path_of, readings_of
from bodhi.oidc.claims import Claims

_GROUP = "group:"


class Admission:
    """Admits users by e-mail address, domain or group; everybody if nothing is listed."""

    def __init__(
        self, allowed: Collection[str] = (), *, groups_claim: str = "groups", trusts_email: bool = False
    ) -> None:
        """*allowed*: ``ann@example.org``, ``@example.org`` or ``group:staff``.

        With *trusts_email* an e-mail address counts without ``email_verified``.
        """
        self._groups = {text.removeprefix(_GROUP) for text in allowed if text.startswith(_GROUP)}
        self._emails = {_folded(text) for text in allowed if not text.startswith(_GROUP)}
        self._groups_path = path_of(groups_claim)
        self._trusts_email = trusts_email

    def admits(self, claims: Claims) -> bool:
        """Whether the user with *claims* may log in."""
        if not self._groups and not self._emails:
            return True
        return self._admits_email(claims) or self._admits_group(claims)

    def is_decided_by(self, claims: Claims) -> bool:
        """Whether *claims* contain all that the decision needs; otherwise userinfo may have more."""
        if self.admits(claims):
            return True
        email, is_verified = _email_of(claims)
        lacks_email = email is None or (is_verified is None and not self._trusts_email)
        lacks_groups = claims.at(self._groups_path) is None
        return not (self._emails and lacks_email) and not (self._groups and lacks_groups)

    def _admits_email(self, claims: Claims) -> bool:
        email, is_verified = _email_of(claims)
        if email is None or email.count("@") != 1 or not (is_verified or self._trusts_email):
            return False
        folded = _folded(email)
        return folded in self._emails or folded[folded.index("@") :] in self._emails

    def _admits_group(self, claims: Claims) -> bool:
        return any(self._groups.intersection(names) for names in readings_of(claims.at(self._groups_path)))


def _email_of(claims: Claims) -> tuple[str | None, bool | None]:
    """Return the e-mail address, and whether it is verified; None if that is said nowhere."""
    sources = [source for source in claims.sources if nonempty_text(source.get("email")) is not None]
    if not sources:
        return None, None
    email = sources[0]["email"]
    said = [_is_true(source) for source in sources if source["email"] == email and "email_verified" in source]
    return email, said[0] if said else None


def _is_true(source: Mapping[str, Any]) -> bool:
    return source["email_verified"] in (True, "true", "True")  # some providers send text


def _folded(email: str) -> str:
    # Some letters outside of ASCII become ASCII letters in lower case, and would match another address.
    return email.lower() if email.isascii() else email


EVERYBODY = Admission()
