"""The benchmark's program for arq."""
