"""Why values of one type do not fit another one."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from enum import Enum

__all__ = ["Gap", "Kind", "Role"]


class Role(Enum):
    """Which way values go: into the worker as arguments, or back to the client as results and failures."""

    ARGUMENT = "argument"
    RESULT = "result"


class Kind(Enum):
    """What a gap is about."""

    TYPE = "type"
    CONSTRAINT = "constraint"
    VALUE = "value"
    UNION = "union"
    FIELD_MISSING = "field-missing"
    FIELD_UNKNOWN = "field-unknown"
    FIELD_GONE = "field-gone"
    NAME = "name"
    VALIDATOR = "validator"
    UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class Gap:
    """One reason why values of the source do not fit the target. Without `on_wire` they do fit: only code notices."""

    kind: Kind
    path: str
    what: str
    on_wire: bool = True
    because: Gap | None = None
    """What lies behind it, further inside."""
    origin: Hashable = field(default=None, compare=False)
    """The pair of types in which it was found."""

    @property
    def text(self) -> str:
        """Return what is wrong, as a sentence without its beginning and end."""
        return self.what if self.because is None else f"{self.what} ({self.because.path}: {self.because.text})"

    def moved(self, before: str, after: str) -> Gap:
        """Return the same with a path that begins otherwise."""
        because = None if self.because is None else self.because.moved(before, after)
        return replace(self, path=after + self.path.removeprefix(before), because=because)
