"""The dashboard, the how-to and the metrics use the same names."""

import json
import re
from pathlib import Path

import pytest

from bodhi.metrics.exposition import COUNTERS, GAUGES, LIVE, REQUESTS, exposition
from bodhi.metrics.requests import BOUNDS
from bodhi.metrics.snapshot import Live, Snapshot

DOCS = Path(__file__).resolve().parents[2] / "docs"
_TYPE = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)
_NAME = re.compile(r"\bbodhi_\w+")
# Strings, ranges, names, numbers and signs: all that a query of the dashboard is made of.
_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|\[[^\]]+\]|[a-zA-Z_]\w*|\d+(?:\.\d+)?|=~|[-+*/(){},=]')
_SELECTOR = re.compile(r"\b(bodhi_\w+)(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture
def names():
    """Return the names of all metrics, with or without a value."""
    text = exposition(Snapshot(), {"version": "1"}).decode()
    found = set()
    for name, kind in _TYPE.findall(text):
        found |= {f"{name}{end}" for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return found


@pytest.fixture
def dashboard():
    """The dashboard."""
    return json.loads((DOCS / "grafana" / "bodhi.json").read_text("utf-8"))


def queries_of(dashboard):
    """Return all queries of a dashboard's panels."""
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_every_metric_of_the_dashboard_is_there(dashboard, names):
    """A query of a metric that was renamed shows nothing, and nobody notices."""
    assert [] == sorted(name for query in queries_of(dashboard) for name in _NAME.findall(query) if name not in names)


def test_every_query_can_be_read(dashboard):
    """Nothing in it that PromQL does not have, and every bracket is closed."""
    for query in queries_of(dashboard):
        assert "" == _TOKEN.sub("", query), query
        bare = re.sub(r'"[^"]*"|[^(){}]', "", query)
        while (shorter := bare.replace("()", "").replace("{}", "")) != bare:
            bare = shorter
        assert "" == bare, query


def test_every_label_of_the_dashboard_is_there(dashboard):
    """By a label that no metric has, everything is one line; filtered by it, nothing is left."""
    labels = {one.name: set(one.labels) for one in GAUGES} | {LIVE.name: set(), "bodhi_build_info": {"version"}}
    labels |= {f"{one.name}_total": set(one.labels) for one in COUNTERS}
    labels |= {f"{REQUESTS.name}_{end}": {*REQUESTS.labels, "le"} for end in ("bucket", "count")}
    for query in queries_of(dashboard):
        selected = _SELECTOR.findall(query)
        filters = [(name, label) for name, matchers in selected for label in re.findall(r"(\w+)=", matchers)]
        groups = [(name, label.strip()) for name, _ in selected for by in _BY.findall(query) for label in by.split(",")]
        known = {name: {*labels[name], "job"} for name, _ in selected}
        assert [] == [(name, label) for name, label in filters + groups if label not in known[name]], query


def test_every_metric_is_on_the_dashboard(dashboard, names):
    """All that is counted can be looked at."""
    shown = {name for query in queries_of(dashboard) for name in _NAME.findall(query)}

    assert {"bodhi_http_request_duration_seconds_sum"} == names - shown


def test_panels_lie_beside_each_other(dashboard):
    """None over another, none beyond the edge."""
    taken = [
        (x, y)
        for panel in dashboard["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len(dashboard["panels"]) == len({panel["id"] for panel in dashboard["panels"]})


def test_every_metric_of_the_how_to_is_there(names):
    """In its alerts and in its table; the table has all of them."""
    page = (DOCS / "how-to" / "watch.md").read_text("utf-8")
    described = set(re.findall(r"^\| `(bodhi_\w+)", page, re.MULTILINE))

    assert set() == set(_NAME.findall(page)) - names - described
    histogram = "bodhi_http_request_duration_seconds"
    assert {histogram if name.startswith(histogram) else name for name in names} == described


def test_the_exposition_is_what_prometheus_reads(read_samples):
    """Buckets add up, and labels stand with their values."""
    row = [1.0, 2.0, *[0.0] * (len(BOUNDS) - 2), 1.0, 12.5]
    text = exposition(
        Snapshot(
            counts={("bodhi_session_ended_total", 'a "reason"\n'): 3},
            times={("bodhi_http_request_duration_seconds", "/ping", "GET", "2xx"): row},
            levels={("bodhi_processes",): 2},
            live=Live(0.0, 5),
        ),
        {"version": "1"},
    ).decode()
    samples = read_samples(text)

    def bucket(bound):
        labels = f'le="{bound}",method="GET",route="/ping",status="2xx"'
        return samples["bodhi_http_request_duration_seconds_bucket", labels]

    assert [1, 3, 3, 4] == [bucket(bound) for bound in ("0.001", "0.0025", "10.0", "+Inf")]
    of_route = 'method="GET",route="/ping",status="2xx"'
    assert 4 == samples["bodhi_http_request_duration_seconds_count", of_route]
    assert 12.5 == samples["bodhi_http_request_duration_seconds_sum", of_route]
    assert r'bodhi_session_ended_total{reason="a \"reason\"\n"} 3.0' in text
    assert (2, 5) == (samples["bodhi_processes", ""], samples["bodhi_sessions_live", ""])
