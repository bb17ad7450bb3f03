"""Chaos: real worker processes and a real Redis that are killed and stopped while tasks run, and what became of every task."""
