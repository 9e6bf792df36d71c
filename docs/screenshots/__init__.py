"""The screenshots of the documentation, taken of a demo server: ``make screenshots``.

They are reproducible: the same pages at the same fixed time.
"""

from screenshots import fixed_clock  # before all modules that read the time

__all__ = ["fixed_clock"]
