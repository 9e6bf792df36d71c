"""Activity over time."""
