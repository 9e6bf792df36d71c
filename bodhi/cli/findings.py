"""Findings of ``bodhi doctor``."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "fault"]


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
