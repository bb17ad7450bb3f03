"""Values that do not show: in no log, no repr, no error and no list of dead letters."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar, cast, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

__all__ = ["Secret"]

T = TypeVar("T")

_STARS: Final = "**********"


class Secret(Generic[T]):
    """A value that travels as it is and shows as stars: `Secret("hunter2")` for a parameter of type `Secret[str]`.

    `reveal` returns the value. Where a task takes or returns a secret, its errors name what does not fit and never what was
    given. The queue holds the value in clear text: whoever may read Redis or the SQLite file can read it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{_STARS}')"

    def __str__(self) -> str:
        return _STARS

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._value == cast("Secret[object]", other)._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        (kind,) = get_args(source) or (Any,)  # Any: what a bare Secret holds
        inner = handler.generate_schema(kind)
        revealed = core_schema.chain_schema(
            [core_schema.is_instance_schema(cls), core_schema.no_info_plain_validator_function(cls.reveal), inner]
        )
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls, inner),
            python_schema=core_schema.no_info_after_validator_function(cls, revealed),
            serialization=core_schema.wrap_serializer_function_ser_schema(_write, schema=inner),
            metadata={"typedtasks_secret": True},
        )


def _write(value: Secret[object], handler: core_schema.SerializerFunctionWrapHandler) -> object:
    return handler(value.reveal())
