"""From the classes of a service to definitions in the contract: each once, under an id that does not depend on the others."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from enum import Enum, Flag, FlagBoundary, IntFlag
from typing import Any, Final, NewType, TypeVar, cast, is_typeddict

import typing_extensions
from pydantic import BaseModel, RootModel
from pydantic.dataclasses import rebuild_dataclass

from typedtasks import TaskError
from typedtasks_codegen.annotations import own_doc, read_form, read_parameters, resolved
from typedtasks_codegen.contract import FieldDefinition, Kind, TypeDefinition
from typedtasks_codegen.forms import Form, value_of
from typedtasks_codegen.metadata import Facts
from typedtasks_codegen.model_fields import (
    dataclass_fields,
    failure_fields,
    hinted_fields,
    model_config,
    model_fields,
    untravelled_of_model,
)
from typedtasks_codegen.refusal import Inexpressible
from typedtasks_codegen.values import encode

__all__ = ["Definitions", "flag_boundary"]

_MIXINS: Final[Mapping[str, str]] = {
    "builtins.int": "int",
    "builtins.str": "str",
    "builtins.float": "float",
    **{f"enum.{name}": f"enum.{name}" for name in ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")},
}


class Definitions:
    """Collects the definitions of the types that are asked for, and of those that these use.

    `names` gives types an id other than that of their module and name: a generated client has those of its service.
    """

    def __init__(self, names: Mapping[object, str] | None = None) -> None:
        self._names = names or {}
        self._types: dict[str, object] = {}
        self._made: dict[str, TypeDefinition] = {}
        self._waiting: list[str] = []

    def id_of(self, kind: object) -> str:
        """Return the id of a type of the service, which is defined with the others. Raises `Inexpressible`."""
        id = self._names.get(kind) or _id(kind)
        known = self._types.setdefault(id, kind)
        if known is not kind:
            raise Inexpressible(f"two types are called {id}; give one of them another name")
        if id not in self._made and id not in self._waiting:
            self._waiting.append(id)
        return id

    def define_all(self) -> tuple[TypeDefinition, ...]:
        """Return the definitions of all types that were asked for, sorted by id. Raises `Inexpressible`."""
        while self._waiting:
            id = self._waiting.pop()
            try:
                self._made[id] = self._define(id, self._types[id])
            except Inexpressible as reason:
                raise Inexpressible(f"{id}: {reason}") from None
        return tuple(self._made[id] for id in sorted(self._made))

    def _define(self, id: str, kind: object) -> TypeDefinition:
        if isinstance(kind, NewType):
            return self._simple(id, "new-type", kind.__name__, kind.__supertype__)
        if not isinstance(kind, type):
            return self._alias(id, cast("Any", kind))  # Any: both kinds of TypeAliasType have the same attributes
        if issubclass(kind, Enum):
            return self._enum(id, kind)
        if issubclass(kind, BaseModel):
            return self._model(id, kind)
        if issubclass(kind, TaskError):
            return TypeDefinition(id, "failure", kind.__name__, own_doc(kind), tuple(failure_fields(kind, self.id_of)))
        return self._record(id, self._types[id])

    def _record(self, id: str, kind: object) -> TypeDefinition:
        cls = cast("type[object]", kind)
        facts = Facts(scope=getattr(cls, "__parameters__", ()))
        if dataclasses.is_dataclass(cls):
            own: Kind = "pydantic-dataclass" if "__pydantic_fields__" in cls.__dict__ else "dataclass"
            if own == "pydantic-dataclass":
                rebuild_dataclass(cast("Any", cls))  # Any: a dataclass, which the type does not say
            return self._fielded(id, own, cls, dataclass_fields(cls, self.id_of, facts), facts)
        if is_typeddict(cls) or typing_extensions.is_typeddict(cls):
            return self._fielded(id, "typed-dict", cls, hinted_fields(cls, self.id_of, facts), facts)
        if tuple in cls.__mro__ and hasattr(cls, "_field_defaults"):
            return self._fielded(id, "named-tuple", cls, hinted_fields(cls, self.id_of, facts), facts)
        raise Inexpressible("the generator does not know such a class; use a pydantic model, a dataclass or a standard type")

    def _fielded(self, id: str, kind: Kind, cls: type, fields: list[FieldDefinition], facts: Facts) -> TypeDefinition:
        doc = own_doc(cls)
        if doc.startswith(f"{cls.__name__}("):
            doc = ""  # what dataclass and NamedTuple write themselves
        config: dict[str, object] = {}
        if kind == "dataclass" or kind == "pydantic-dataclass":
            frozen = cast("Any", cls).__dataclass_params__.frozen  # Any: a dataclass, which the type does not say
            config = {"frozen": True} if frozen else {}
            facts.untravelled += [name for name in ("__init__", "__post_init__") if _is_written(cls, name)]
        config |= model_config(getattr(cls, "__pydantic_config__", None) or {})
        parameters = read_parameters(getattr(cls, "__parameters__", ()), self.id_of, facts)
        return TypeDefinition(
            id,
            kind,
            cls.__name__,
            doc,
            tuple(fields),
            parameters=parameters,
            config=tuple((key, value_of(encode(value, self.id_of))) for key, value in sorted(config.items())),
            untravelled=tuple(sorted(set(facts.untravelled))),
        )

    def _model(self, id: str, cls: type[BaseModel]) -> TypeDefinition:
        if cls.__pydantic_complete__ is False:
            cls.model_rebuild()
        variables = cls.__pydantic_generic_metadata__["parameters"]
        facts = Facts(untravelled=untravelled_of_model(cls), scope=variables)
        fields = tuple(model_fields(cls, self.id_of, facts))
        config = {key: value_of(encode(value, self.id_of)) for key, value in model_config(cls.model_config).items()}
        return TypeDefinition(
            id,
            "root" if RootModel in cls.__mro__ else "model",
            cls.__name__,
            own_doc(cls),
            fields,
            parameters=read_parameters(variables, self.id_of, facts),
            config=tuple(sorted(config.items())),
            untravelled=tuple(sorted(set(facts.untravelled))),
        )

    def _enum(self, id: str, cls: type[Enum]) -> TypeDefinition:
        bases: list[str] = []
        for base in cls.__bases__:
            name = f"{base.__module__}.{base.__qualname__}"
            if issubclass(base, Enum) and name not in _MIXINS and not base.__members__:
                bases += [f"{one.__module__}.{one.__qualname__}" for one in base.__bases__]
            else:
                bases.append(name)
        unknown = [base for base in bases if base not in _MIXINS]
        if unknown:
            raise Inexpressible(f"an enum that is made of {unknown[0]} cannot be written into a client; use str, int or no mixin")
        members = tuple((name, value_of(encode(member.value, self.id_of))) for name, member in cls.__members__.items())
        if not members and not issubclass(cls, Flag):
            raise Inexpressible("an enum without members has no values")
        untravelled = tuple(name for name in ("__init__", "_missing_") if name in cls.__dict__)
        boundary = flag_boundary(cls)
        usual = FlagBoundary.KEEP if issubclass(cls, IntFlag) else FlagBoundary.STRICT
        config = () if boundary is None or boundary is usual else (("boundary", value_of(boundary.name)),)
        doc = own_doc(cls)
        return TypeDefinition(
            id,
            "enum",
            cls.__name__,
            "" if doc == Enum.__doc__ or doc == "An enumeration." else doc,
            members=members,
            bases=tuple(_MIXINS[base] for base in bases),
            config=config,
            untravelled=untravelled,
        )

    def _simple(self, id: str, kind: Kind, name: str, annotation: object, variables: tuple[object, ...] = ()) -> TypeDefinition:
        facts = Facts(scope=variables)
        form: Form = read_form(annotation, self.id_of, facts)
        parameters = read_parameters(variables, self.id_of, facts)
        return TypeDefinition(id, kind, name, form=form, parameters=parameters, untravelled=tuple(sorted(set(facts.untravelled))))

    # Any: an alias made by `type X = ...` or by TypeAliasType.
    def _alias(self, id: str, alias: Any) -> TypeDefinition:
        variables: tuple[TypeVar, ...] = alias.__type_params__
        value = resolved(alias.__value__, alias.__module__, {variable.__name__: variable for variable in variables})
        return self._simple(id, "alias", alias.__name__, value, variables)


def flag_boundary(cls: type[Enum]) -> FlagBoundary | None:
    """Return what a Flag does with bits that are none of its members; None for an enum that is no Flag."""
    return cast("FlagBoundary | None", getattr(cls, "_boundary_", None))


def _is_written(cls: type, name: str) -> bool:
    """Return whether a dataclass has a method that was written by hand."""
    method = next((owner.__dict__[name] for owner in cls.__mro__[:-1] if name in owner.__dict__), None)
    return method is not None and getattr(getattr(method, "__code__", None), "co_filename", "<string>") != "<string>"


def _id(kind: object) -> str:
    module, name = getattr(kind, "__module__", None), getattr(kind, "__qualname__", None) or getattr(kind, "__name__", None)
    if not module or not name:
        raise Inexpressible(f"{kind!r:.80} is no type that the generator knows")
    if module == "__main__":
        spec = getattr(sys.modules["__main__"], "__spec__", None)
        module = spec.name if spec is not None else module
    return f"{module}.{name}".replace(".<locals>", "")
