"""The benchmark's program for saq."""
