"""The benchmark's program for pgqueuer."""
