"""What stands beside a type in `Annotated[...]` and `Field(...)`: constraints that travel, and what does not."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

import annotated_types
import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import deprecated

from typedtasks_codegen.refusal import Inexpressible

__all__ = ["Facts", "field_facts", "read_metadata"]

_BOUNDS: Final[Mapping[type, str]] = {
    annotated_types.Gt: "gt",
    annotated_types.Ge: "ge",
    annotated_types.Lt: "lt",
    annotated_types.Le: "le",
    annotated_types.MultipleOf: "multiple_of",
    annotated_types.MinLen: "min_length",
    annotated_types.MaxLen: "max_length",
    pydantic.Strict: "strict",
    pydantic.AllowInfNan: "allow_inf_nan",
}
_GENERAL: Final = frozenset(
    {
        "strict",
        "pattern",
        "max_digits",
        "decimal_places",
        "allow_inf_nan",
        "union_mode",
        "coerce_numbers_to_str",
        "strip_whitespace",
        "to_lower",
        "to_upper",
        "ascii_only",
        "fail_fast",
    }
)
_TEXTS: Final = ("title", "description", "deprecated", "frozen", "examples", "validate_default")
_VALIDATORS: Final = (pydantic.BeforeValidator, pydantic.AfterValidator, pydantic.WrapValidator)
_REFUSED: Final[Mapping[object, str]] = {
    pydantic.PlainValidator: "a plain validator takes the place of the type, so a client cannot know what fits",
    pydantic.PlainSerializer: "a serializer of the service decides what goes over the wire; use a type that writes itself",
    pydantic.WrapSerializer: "a serializer of the service decides what goes over the wire; use a type that writes itself",
    pydantic.SerializeAsAny: "SerializeAsAny writes more than the type says; name the type that is meant",
    pydantic.UrlConstraints: "UrlConstraints cannot be written into a client; use one of pydantic's URL types",
    pydantic.Tag: "a Tag belongs to a function that tells the members apart; use Field(discriminator='name of a field')",
}
_HARMLESS: Final = (pydantic.WithJsonSchema, annotated_types.Unit)


@dataclasses.dataclass(slots=True)
class Facts:
    """What metadata says: keyword arguments for `Field`, a UUID's version, and what a client cannot have."""

    constraints: dict[str, object] = dataclasses.field(default_factory=dict[str, object])
    uuid_version: int | None = None
    untravelled: list[str] = dataclasses.field(default_factory=list[str])
    scope: tuple[object, ...] = ()
    """The type parameters of the definition that is read."""

    def add(self, key: str, value: object) -> None:
        """Add a constraint. Raises `Inexpressible` where it is there already with another value."""
        if key in self.constraints and self.constraints[key] != value:
            raise Inexpressible(f"{key} is given twice, as {self.constraints[key]!r} and {value!r}; leave one of them out")
        self.constraints[key] = value

    def say_where(self, begin: int, place: str) -> None:
        """Add to what cannot travel, from the `begin`th item on, whose it is."""
        self.untravelled[begin:] = [f"{item} of {place}" for item in self.untravelled[begin:]]


def read_metadata(metadata: Iterable[object], facts: Facts | None = None) -> Facts:
    """Return what the metadata of an `Annotated` says. Raises `Inexpressible` for what would change the type unseen."""
    facts = facts or Facts()
    for item in metadata:
        _read_one(item, facts)
    return facts


def field_facts(field: FieldInfo, facts: Facts | None = None) -> Facts:
    """Return what a `Field(...)` says, its default left aside."""
    facts = read_metadata(field.metadata, facts)
    for key in _TEXTS:
        value = getattr(field, key)
        if isinstance(value, deprecated):
            value = value.message
        if value is not None and value is not PydanticUndefined:
            facts.add(key, value)
    discriminator = field.discriminator
    if isinstance(discriminator, pydantic.Discriminator):
        discriminator = _discriminator(discriminator)
    if discriminator is not None:
        facts.add("discriminator", discriminator)
    if field.exclude:
        raise Inexpressible("a field with exclude=True is not sent; leave the field, or that option, out")
    _read_alias(field, facts)
    if field.json_schema_extra is not None:
        facts.untravelled.append("json_schema_extra")
    return facts


def _read_alias(field: FieldInfo, facts: Facts) -> None:
    names = [name for name in (field.validation_alias, field.serialization_alias, field.alias) if name is not None]
    if not names:
        return
    if not all(isinstance(name, str) for name in names) or len(set(cast("list[str]", names))) > 1:
        raise Inexpressible("its alias is read and written in different ways; use one alias=... for both")
    facts.add("alias", names[0])


def _read_one(item: object, facts: Facts) -> None:
    bound = _BOUNDS.get(type(item))
    if bound is not None:
        facts.add(bound, getattr(item, bound))
    elif isinstance(item, FieldInfo):
        field_facts(item, facts)
    elif isinstance(item, pydantic.Discriminator):
        facts.add("discriminator", _discriminator(item))
    elif isinstance(item, _VALIDATORS):
        name = getattr(item.func, "__name__", type(item.func).__name__)
        facts.untravelled.append(f"{type(item).__name__} {name}")
    elif isinstance(item, annotated_types.Predicate):
        facts.untravelled.append("Predicate")
    elif type(item).__name__ == "UuidVersion":
        facts.uuid_version = cast("int", getattr(item, "uuid_version", None))
    elif type(item).__name__ == "PathType":
        raise Inexpressible("it is checked against the files of the machine that looks; use pathlib.Path")
    elif type(item) in _REFUSED:
        raise Inexpressible(_REFUSED[type(item)])
    elif isinstance(item, annotated_types.GroupedMetadata):
        read_metadata(iter(item), facts)
    elif type(item).__name__ == "_PydanticGeneralMetadata":
        _read_general(vars(item), facts)
    else:
        _read_unknown(item, facts)


def _read_general(given: Mapping[str, object], facts: Facts) -> None:
    for key, value in given.items():
        if value is None:
            continue
        if key not in _GENERAL:
            raise Inexpressible(f"the constraint {key}={value!r} is not known to the generator")
        if isinstance(value, re.Pattern):
            if value.flags != re.compile("").flags:
                raise Inexpressible("a pattern with flags cannot be written into a client; write the flags inside it, as (?i)")
            value = cast("re.Pattern[str]", value).pattern
        facts.add(key, value)


def _read_unknown(item: object, facts: Facts) -> None:
    hooks = ("__get_pydantic_core_schema__", "__get_pydantic_json_schema__")
    if isinstance(item, _HARMLESS):
        facts.untravelled.append(type(item).__name__)
    elif any(hasattr(item, hook) for hook in hooks) or isinstance(item, annotated_types.BaseMetadata):
        raise Inexpressible(f"the metadata {item!r:.80} changes the type in a way that a client cannot have")
    else:
        facts.untravelled.append(f"the metadata {type(item).__module__}.{type(item).__qualname__}")


def _discriminator(item: pydantic.Discriminator) -> str:
    if not isinstance(item.discriminator, str):
        raise Inexpressible("a function tells the members apart; use Field(discriminator='name of a field')")
    return item.discriminator
