"""Render a series as inline SVG: no script, no inline style."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from bodhi.server.activity.service import Point
from bodhi.server.http.labels import moment

WIDTH, HEIGHT = 320, 96
_LEFT, _RIGHT, _TOP, _BOTTOM = 36, 4, 8, 16  # room for the numbers around the line
_GAP = timedelta(minutes=2)  # a longer gap between two samples breaks the line


def plot(name: str, title: str, series: Sequence[Point], summary: str) -> Markup:
    """Return *series* as a line over time, oldest left. *name* makes the element ids unique within the page.

    The top of the scale is an even number, so that the line at half of it has a whole one. Screen readers get *title*
    and *summary*. The classes ``plot-line``, ``plot-axis`` and ``plot-label`` in bodhi.css set colours.
    """
    top = max((value for _, value in series), default=0)
    top = max(top + top % 2, 2)
    drawn = _lines(series, top) if series else Markup("")
    bottom, middle = HEIGHT - _BOTTOM, _y(top // 2, top)
    return Markup(
        '<svg class="plot" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img"'
        ' aria-labelledby="plot-{name}-title plot-{name}-facts">'
        '<title id="plot-{name}-title">{title}</title><desc id="plot-{name}-facts">{facts}</desc>'
        '<line class="plot-axis" x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="currentColor"/>'
        '<line class="plot-axis" x1="{left}" y1="{middle}" x2="{right}" y2="{middle}" stroke="currentColor"'
        ' stroke-dasharray="2 3"/>'
        "{drawn}{labels}</svg>"
    ).format(
        width=WIDTH,
        height=HEIGHT,
        name=name,
        title=title,
        facts=summary,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=bottom,
        middle=middle,
        drawn=drawn,
        labels=_labels(series, top),
    )


def summarize(series: Sequence[Point], *, is_level: bool) -> str:
    """Return the present and the highest value, and the sum of amounts; a level (*is_level*) has none."""
    if not series:
        return "No data yet."
    values = [value for _, value in series]
    summary = f"Now {values[-1]:,}, highest {max(values):,}"
    return summary if is_level else f"{summary}, total {sum(values):,}"


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


def _labels(series: Sequence[Point], top: int) -> Markup:
    """Return the axis labels: scale, first and last time; screen readers get the summary instead."""
    if not series:
        return Markup("")
    text = Markup(
        '<text class="plot-label" x="{}" y="{}" text-anchor="{}" font-size="10" aria-hidden="true"{}>{}</text>'
    )
    clock = Markup(' data-clock="{}"')  # pages.js shows it in the reader's time zone
    ends = ((_LEFT, "start", series[0][0]), (WIDTH - _RIGHT, "end", series[-1][0]))
    return Markup("").join(
        (
            *(text.format(_LEFT - 4, _y(value, top) + 3, "end", "", f"{value:,}") for value in (top, top // 2, 0)),
            *(
                text.format(x, HEIGHT - 4, anchor, clock.format(moment(time)), f"{_time(time)} UTC")
                for x, anchor, time in ends
            ),
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
