"""From a type to a validator and a serializer that make the round trip."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, cast

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import from_json

from typedtasks.contract.classes import build
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
        # Any: which type it is, only run time knows.
        adapter = TypeAdapter[object](cast("Any", type), config=own_config)
        if not adapter.pydantic_complete:
            adapter.rebuild(force=True)  # a model with defer_build=True
        self.core = cast("Node", adapter.core_schema)
        self.built = build(self.core)
        self.facts = self.built.facts
        self.validate_json = self.built.validate_json.validate_json
        self.validate_python = self.built.validate_python.validate_python
        # Hot: a partial costs a third of a method. What it raises: ValueError for what no other end could read, and pydantic's.
        self.to_json: Callable[[object], bytes] = functools.partial(
            self.built.to_json.to_json, by_alias=True, exclude_unset=True, warnings="error"
        )
        if self.facts.depth > _DEEPEST:
            self.to_json = functools.partial(_to_json_within_depth, self.to_json)


def _to_json_within_depth(to_json: Callable[[object], bytes], value: object) -> bytes:
    written = to_json(value)
    if written.count(b"[") + written.count(b"{") >= _DEEPEST:
        try:
            from_json(written, cache_strings=False)
        except ValueError as error:
            raise ValueError(f"it is nested deeper than {_DEEPEST} levels, which cannot be read again ({error})") from None
    return written
