"""The benchmark's program for huey."""
