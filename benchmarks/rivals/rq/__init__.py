"""The benchmark's program for rq."""
