"""What never makes the round trip, by what pydantic calls it, and what to use instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OTHER_VALUES", "REFUSED"]

REFUSED: Final[Mapping[str, str]] = {
    "any": "a value of any type does not come back as it was; name the type, or use pydantic.JsonValue",
    "callable": "a function cannot be sent; send data that says what to do",
    "generator": "an iterator does not come back as it was; use list[...]",
    "is-instance": "this class has no JSON form; use a pydantic model or a dataclass",
    "is-subclass": "a class cannot be sent; send a Literal or an Enum that stands for it",
    "json": "a value inside a text is not the value that the caller has; name its type without Json[...]",
    "custom-error": "a type with a custom error has no JSON form; use a pydantic model",
}
"""Kinds of core schemas."""

OTHER_VALUES: Final[Mapping[str, str]] = {
    "import_string": "an object that is imported by name cannot be sent; send its name as a str",
    "pattern_either_validator": "a pattern loses its flags; send it as a str",
    "pattern_str_validator": "a pattern loses its flags; send it as a str",
    "pattern_bytes_validator": "a pattern loses its flags; send it as a str",
    "EncodedBytes.decode": "its values are decoded when they are sent; use bytes, which are base64 in JSON anyway",
    "EncodedStr.decode_str": "its values are decoded when they are sent; use str",
}
"""Functions of pydantic's own types that give another value than they were given, by their names."""
