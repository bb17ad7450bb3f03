"""The backends against a small model of themselves: random operations, and after each step the same books."""
