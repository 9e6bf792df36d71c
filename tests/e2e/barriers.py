"""Accessibility checks with axe-core."""

from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Page

_AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
_RUN = "(rules) => axe.run(document, { resultTypes: ['violations'], ...rules })"
# Names, labels and landmarks are the same in both.
_RULES: dict[Literal["light", "dark"], dict[str, object]] = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
_UNFOLD = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"


async def expect_no_barriers(page: Page) -> None:
    """Check the page in light and dark colours, with all details expanded."""
    await page.evaluate(_UNFOLD)
    await page.evaluate(_AXE.read_text())
    for scheme, rules in _RULES.items():
        # Colours that are still changing from one scheme to the other are no colours to judge.
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = await page.evaluate(_RUN, rules)
        told = [describe(violation) for violation in found["violations"]]
        assert not told, "\n".join([f"{page.url}, {scheme}", *told])


def describe(violation: dict[str, Any]) -> str:
    """Return the violated rule and its location."""
    places = [f"{node['html']}: {node['failureSummary']}" for node in violation["nodes"]]
    return "\n".join([f"{violation['id']} ({violation['impact']}): {violation['help']}", *places])
