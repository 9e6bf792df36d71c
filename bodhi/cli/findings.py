"""Findings of ``bodhi doctor``."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "fault"]

SEVERAL = 20  # names of a list that are shown


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a check, and what to do about it."""

    check: str
    state: State
    message: str
    advice: str | None = None


def provider_finding(setting: str, state: State, message: str, advice: str | None = None) -> Finding:
    """Return a finding about the identity provider, which begins with the setting to look at."""
    return Finding("identity provider", state, f"{setting}: {message}", advice)


def listed(names: Collection[str], *, quoted: bool = False) -> str:
    """Return the first of *names* for a message, or ``none``."""
    shown = [name if name.isprintable() and not quoted else ascii(name) for name in names]
    return ", ".join(shown[:SEVERAL]) + ("" if len(shown) <= SEVERAL else ", …") or "none"
