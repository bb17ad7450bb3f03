"""The benchmark's program for streaq."""
