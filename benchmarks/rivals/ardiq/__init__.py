"""The benchmark's program for ardiq."""
