"""Render a series as inline SVG: no script, no inline style."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from bodhi.server.activity.service import Point

WIDTH, HEIGHT = 320, 96
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 4, 8, 16  # room for the numbers around the line
_GAP = timedelta(minutes=2)  # a longer gap between two samples breaks the line


def plot(name: str, title: str, series: Sequence[Point], *, is_level: bool = False) -> Markup:
    """Return *series* as a line over time, oldest left. *name* makes the element ids unique within the page.

    Screen readers get *title* and a summary: the sum and the highest minute of amounts, the latest and the highest
    value of a level (*is_level*). The classes ``plot-line``, ``plot-axis`` and ``plot-label`` in bodhi.css set colours.
    """
    highest = max((value for _, value in series), default=0)
    facts = _summary(series, highest, is_level=is_level)
    drawn = _lines(series, max(highest, 1)) if series else Markup("")
    bottom = HEIGHT - _BOTTOM
    return Markup(
        '<svg class="plot" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img"'
        ' aria-labelledby="plot-{name}-title plot-{name}-facts">'
        '<title id="plot-{name}-title">{title}</title><desc id="plot-{name}-facts">{facts}</desc>'
        '<line class="plot-axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="currentColor"/>'
        "{drawn}{labels}</svg>"
    ).format(
        width=WIDTH,
        height=HEIGHT,
        name=name,
        title=title,
        facts=facts,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=bottom,
        drawn=drawn,
        labels=_labels(series, highest),
    )


def _summary(series: Sequence[Point], highest: int, *, is_level: bool) -> str:
    if not series:
        return "No numbers yet."
    if is_level:
        return f"{series[-1][1]} now, at most {highest}."
    return f"{sum(value for _, value in series)} in all, at most {highest} in a minute."


def _lines(series: Sequence[Point], highest: int) -> Markup:
    first, last = series[0][0], series[-1][0]
    points = [(minute, f"{_x(minute, first, last):g},{_y(value, highest):g}") for minute, value in series]
    return Markup("").join(
        Markup('<polyline class="plot-line" points="{}" fill="none" stroke="currentColor"/>').format(part)
        for part in _unbroken(points)
    )


def _unbroken(points: Sequence[tuple[datetime, str]]) -> list[str]:
    """Return the points of each unbroken line. A single point is doubled: round line ends draw it as a dot."""
    parts: list[list[str]] = []
    previous: datetime | None = None
    for minute, point in points:
        if previous is None or minute - previous > _GAP:
            parts.append([])
        parts[-1].append(point)
        previous = minute
    return [" ".join(part if len(part) > 1 else part * 2) for part in parts]


def _labels(series: Sequence[Point], highest: int) -> Markup:
    """Return the axis labels: highest value, first and last time; screen readers get the summary instead."""
    if not series:
        return Markup("")
    text = Markup('<text class="plot-label" x="{}" y="{}" text-anchor="{}" font-size="10" aria-hidden="true">{}</text>')
    foot = HEIGHT - 4
    return Markup("").join(
        (
            text.format(_LEFT, _TOP + 2, "start", highest),
            text.format(_LEFT, foot, "start", _time(series[0][0])),
            text.format(WIDTH - _RIGHT, foot, "end", f"{_time(series[-1][0])} UTC"),
        )
    )


def _x(minute: datetime, first: datetime, last: datetime) -> float:
    span = (last - first).total_seconds()
    share = (minute - first).total_seconds() / span if span else 1.0
    return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)


def _y(value: int, highest: int) -> float:
    low, high = HEIGHT - _BOTTOM, _TOP + 6
    return round(low - value / highest * (low - high), 1)


def _time(minute: datetime) -> str:
    return minute.strftime("%H:%M")
