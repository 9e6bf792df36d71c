"""Report the figures and goals as Markdown, and write them to ``bench/results/``."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.environment import Figures
from bench.goals import GOALS

RESULTS = Path(__file__).with_name("results")


def markdown(figures: Figures, machine: dict[str, str], options: str, taken_seconds: float) -> str:
    """Return the whole report as Markdown."""
    parts = ["# Measured", "", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `python -m bench{options}`, "]
    parts[-1] += f"{taken_seconds:.0f} s. Ratios are medians of ratios within one round."
    parts += ["", *_table(_goal_rows(figures)), ""]
    parts += [f"- {line}" for line in (*figures.skipped, *figures.notes)]
    for title, rows in figures.tables.items():
        parts += ["", f"## {title}", "", *_table(rows)]
    parts += ["", "## Machine and versions", "", *_table([{"what": k, "which": v} for k, v in machine.items()]), ""]
    return "\n".join(parts)


def write(figures: Figures, machine: dict[str, str], options: str, page: str) -> Path:
    """Write the report as Markdown and JSON; return the path of the Markdown file."""
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d-%H%M}{options.replace(' --', '-').replace(' ', '-')}"
    data = {"options": options.strip(), "machine": machine, "goals": _goal_rows(figures), **asdict(figures)}
    (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=2) + "\n")
    path = RESULTS / f"{name}.md"
    path.write_text(page)
    return path


def _goal_rows(figures: Figures) -> list[dict[str, Any]]:
    rows = []
    for goal in GOALS:
        value = figures.values.get(goal.figure)
        outcome = "not measured" if value is None else "met" if goal.is_met_by(value) else "missed"
        measured = "" if value is None else f"{value:{'d' if isinstance(value, int) else '.2f'}} {goal.unit}"
        limit = f"{goal.sense} {goal.limit:g} {goal.unit}"
        rows.append({"what": goal.title, "goal": limit, "measured": measured, "outcome": outcome})
    return rows


def _table(rows: list[dict[str, Any]]) -> list[str]:
    """Return *rows* as an aligned Markdown table."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([str(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
