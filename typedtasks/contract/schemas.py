"""From a type to a validator and a serializer that make the round trip."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

from pydantic import ConfigDict
from pydantic_core import from_json

from typedtasks.contract.generation import build_type, generate
from typedtasks.contract.nodes import Node

__all__ = ["CONFIG", "Node", "Schemas"]

CONFIG: Final = ConfigDict(
    extra="forbid",
    revalidate_instances="always",
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="constants",
    arbitrary_types_allowed=False,
)
_DEEPEST: Final = 200
"""How many levels of JSON pydantic's parser reads; its serializer writes a few more."""


class Schemas:
    """A validator for Python values, one for JSON, and a serializer, all of one type."""

    def __init__(self, type: object, *, own_config: ConfigDict | None = None) -> None:
        self._type, self._config = type, own_config
        self.built = build_type(type, CONFIG)
        self.facts = self.built.facts
        self.validate_json = self.built.validate_json.validate_json
        self.validate_python = self.built.validate_python.validate_python
        # Hot: a partial costs a third of a method. What it raises: ValueError for what no other end could read, and pydantic's.
        self.to_json: Callable[[object], bytes] = functools.partial(
            self.built.to_json.to_json, by_alias=True, exclude_unset=True, warnings="error"
        )
        if self.facts.depth > _DEEPEST:
            self.to_json = functools.partial(_to_json_within_depth, self.to_json)

    @property
    def core(self) -> Node:
        """The type as pydantic's core schema: made when it is asked for."""
        return generate(self._type, self._config)


def _to_json_within_depth(to_json: Callable[[object], bytes], value: object) -> bytes:
    written = to_json(value)
    if written.count(b"[") + written.count(b"{") >= _DEEPEST:
        try:
            from_json(written, cache_strings=False)
        except ValueError as error:
            raise ValueError(f"it is nested deeper than {_DEEPEST} levels, which cannot be read again ({error})") from None
    return written
