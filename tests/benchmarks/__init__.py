"""Tests of the benchmark: its statistics and its page, not its figures."""
