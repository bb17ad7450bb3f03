"""One of the two contracts that are compared: its types, and which of them are the same in the other one."""

from __future__ import annotations

from typedtasks_codegen.closures import closures, named_by
from typedtasks_codegen.compatibility.types import Data

__all__ = ["Side"]


class Side:
    """The types of one contract, with digests that tell which of them are the same in another one."""

    def __init__(self, types: Data) -> None:
        self.types = types
        self.digests = closures(types, without=("doc", "client_name"))

    def looks_like(self, other: Side, form: object) -> bool:
        """Return whether a type is the same on both sides, with all that it leads to."""
        return all(self.digests[id] == other.digests.get(id) for id in named_by(form, self.types))
