"""Why no client can be generated."""

from __future__ import annotations

__all__ = ["GenerationError", "Inexpressible"]


class Inexpressible(Exception):
    """A type or value that a client cannot have. The text says which, and what to use instead; whoever catches it adds where."""


class GenerationError(Exception):
    """Nothing was generated. The text names the task, the parameter and the reason."""
