"""The benchmark's program for dramatiq."""
