"""Why values of one type do not fit another one."""

from __future__ import annotations

from dataclasses import dataclass
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
    text: str
    on_wire: bool = True
