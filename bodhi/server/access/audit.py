"""Audit: log every role change and every removal of a user, whether or not a session of the user is live."""

import logging

from bodhi.server.access.scopes import Role

log = logging.getLogger(__name__)


def note_role_change(user_id: str, before: Role | None, role: Role, *, by: str) -> None:
    """Log that the user has *role* now, by the decision of the user *by*."""
    fields = {"event": "role_changed", "user_id": user_id, "from": before and str(before), "to": str(role), "by": by}
    values = user_id, before or "none", role, by
    log.info("role changed user_id=%s from=%s to=%s by=%s", *values, extra={"fields": fields})


def note_removal(user_id: str, before: Role | None, *, by: str) -> None:
    """Log that the user lost *before* and all access, by the decision of the user *by*."""
    fields = {"event": "user_removed", "user_id": user_id, "from": before and str(before), "by": by}
    log.info("user removed user_id=%s from=%s by=%s", user_id, before or "none", by, extra={"fields": fields})
