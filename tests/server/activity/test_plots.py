"""Plots: SVG for a strict Content-Security-Policy, with text for screen readers."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import bodhi.server.http
from bodhi.server.activity.plots import HEIGHT, WIDTH, plot, summarize

NOON = datetime(2027, 1, 15, 12, 0, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def series(*values, skipped=()):
    """Return one value per minute from noon on, without the *skipped* minutes."""
    return [(NOON + timedelta(minutes=number), value) for number, value in enumerate(values) if number not in skipped]


def parse_plot(markup):
    """Return the parsed SVG and the points of its lines."""
    root = ET.fromstring(str(markup))
    lines = [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in root.iter(f"{SVG}polyline")
    ]
    return root, lines


def test_a_line_goes_from_the_left_to_the_right_and_up_with_the_values():
    """Within the picture."""
    _, [points] = parse_plot(plot("saves", "Saves", series(0, 10, 5), "Now 5"))

    xs, ys = [x for x, _ in points], [y for _, y in points]
    assert sorted(xs) == xs
    assert ys[1] < ys[2] < ys[0]
    assert all(0 <= x <= WIDTH for x in xs)
    assert all(0 <= y <= HEIGHT for y in ys)


@pytest.mark.parametrize(
    ("values", "is_level", "summary"),
    [
        ((1, 4, 2), False, "Now 2, highest 4, total 7"),
        ((1, 4, 2), True, "Now 2, highest 4"),
        ((1_000, 1_234), True, "Now 1,234, highest 1,234"),
        ((), False, "No data yet."),
        ((0, 0), False, "Now 0, highest 0, total 0"),
    ],
)
def test_summary_has_the_present_value(values, is_level, summary):
    """A level has no sum."""
    assert summary == summarize(series(*values), is_level=is_level)


def test_plot_has_a_summary_for_screen_readers():
    """By a title and a description that belong to this plot alone."""
    root, _ = parse_plot(plot("saves", "Saves in the last hour", series(1, 4, 2), "Now 2"))

    names = root.get("aria-labelledby").split()
    texts = {part.get("id"): part.text for part in root.iter() if part.get("id")}
    assert "img" == root.get("role")
    assert ["Saves in the last hour", "Now 2"] == [texts[name] for name in names]
    assert all(label.get("aria-hidden") == "true" for label in root.iter(f"{SVG}text"))


@pytest.mark.parametrize(
    ("values", "labels"),
    [((7, 3), ["8", "4", "0"]), ((0, 0), ["2", "1", "0"]), ((2_000,), ["2,000", "1,000", "0"])],
)
def test_scale_has_a_line_at_half_of_a_whole_number(values, labels):
    """And the times of both ends, for the script to show in the reader's time zone."""
    root, [points] = parse_plot(plot("saves", "Saves", series(*values), ""))

    texts = list(root.iter(f"{SVG}text"))
    assert [*labels, "12:00 UTC", f"12:0{len(values) - 1} UTC"] == [text.text for text in texts]
    base, half = (float(line.get("y1")) for line in root.iter(f"{SVG}line"))
    share = values[0] / int(labels[0].replace(",", ""))
    assert abs(points[0][1] - (base - share * 2 * (base - half))) < 0.2
    assert "2027-01-15T12:00:00Z" == texts[-2].get("data-clock")


def test_plot_line_is_broken_at_gaps():
    """A level that is not known is not drawn; one that is known for a moment is a dot."""
    _, lines = parse_plot(plot("live", "Live", series(*range(9), skipped=(2, 3, 5, 6, 7)), ""))

    assert [2, 2, 2] == [len(points) for points in lines]
    assert [False, True, True] == [len(set(points)) == 1 for points in lines]


def test_plot_satisfies_a_strict_content_security_policy():
    """No script, no style, nothing from elsewhere; and what is written into it stays text."""
    markup = plot("saves", '<script>alert("1")</script>', series(1, 2), "")

    assert not re.search(r"<script|style=|<style|href=|\son\w+=", str(markup))
    root, _ = parse_plot(markup)
    assert '<script>alert("1")</script>' == root.find(f"{SVG}title").text


def test_plot_classes_are_styled():
    """Those of the page's style sheet, which knows light and dark."""
    css = (Path(bodhi.server.http.__file__).parent / "static" / "bodhi.css").read_text()
    root, _ = parse_plot(plot("saves", "Saves", series(1, 2), ""))

    classes = {part.get("class") for part in root.iter() if part.get("class")}
    assert {"plot", "plot-line", "plot-axis", "plot-label"} == classes
    assert [] == [name for name in classes if f".{name} {{" not in css]
