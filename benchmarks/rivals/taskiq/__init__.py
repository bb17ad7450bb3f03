"""The benchmark's program for taskiq."""
