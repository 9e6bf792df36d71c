"""The pictures of the documentation, taken from a server with people and a history: ``make screenshots``.

They are made anew rather than kept up: the same pages at the same moment, whenever it is done.
"""

from screenshots import fixed_clock  # before all that reads the time

__all__ = ["fixed_clock"]
