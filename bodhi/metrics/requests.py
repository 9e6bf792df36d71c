"""Histogram of request durations."""

from bisect import bisect_left

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, each included

Labels = tuple[str, str, str]


class RequestTimes:
    """Histograms by route, method and status class.

    Plain lists, since this runs in every request: a client library's histogram takes several times as long.
    """

    def __init__(self) -> None:
        self.by_labels: dict[Labels, list[float]] = {}
        """A count per bucket of :data:`BOUNDS` and one above; the last item is the sum of seconds."""

    def observe(self, route: str, method: str, status: str, seconds: float) -> None:
        """Count a request of *seconds*. *route* is a template: paths would make the number of series unbounded."""
        labels = route, method, status
        row = self.by_labels.get(labels)
        if row is None:
            row = self.by_labels[labels] = [0] * (len(BOUNDS) + 2)
        row[bisect_left(BOUNDS, seconds)] += 1
        row[-1] += seconds
