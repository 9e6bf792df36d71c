"""A series as a small picture: SVG within the page, without a script and without a style of its own."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from bodhi.server.activity.service import Point

WIDTH, HEIGHT = 320, 96
_LEFT, _RIGHT, _TOP, _BOTTOM = 4, 4, 8, 16  # room for the numbers around the line
_GAP = timedelta(minutes=2)  # where nobody looked for longer than this, the line is broken


def plot(name: str, title: str, series: Sequence[Point], *, is_level: bool = False) -> Markup:
    """*series* as a line over time, oldest left; *name* tells the plots of one page apart, in their elements' ids.

    Whoever does not see it is told *title* and the numbers that a look at the line gives: of amounts the sum and the
    most in a minute, of a level (*is_level*) the last and the highest. Colours are of the classes ``plot-line``,
    ``plot-axis`` and ``plot-label`` in bodhi.css.
    """
    highest = max((value for _, value in series), default=0)
    facts = _told(series, highest, is_level=is_level)
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


def _told(series: Sequence[Point], highest: int, *, is_level: bool) -> str:
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
    """The points of each line; one by itself becomes a line too short to see, which its round ends make a dot."""
    parts: list[list[str]] = []
    before: datetime | None = None
    for minute, point in points:
        if before is None or minute - before > _GAP:
            parts.append([])
        parts[-1].append(point)
        before = minute
    return [" ".join(part if len(part) > 1 else part * 2) for part in parts]


def _labels(series: Sequence[Point], highest: int) -> Markup:
    """The highest number, and when the line begins and ends; hidden from who is told them already."""
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
