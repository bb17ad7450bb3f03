"""What mypy knows of the classes whose values travel: models, dataclasses, failures, NamedTuples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mypy.expandtype import expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import FuncDef, TypeInfo, Var
from mypy.types import CallableType, Instance, Type, get_proper_type
from mypy.typevars import fill_typevars

__all__ = ["fields_of", "has_default", "has_own_schema", "is_failure", "is_model", "is_named_tuple", "member_values"]

_ROOT: Final = "pydantic.root_model.RootModel"
_DATA_TYPES: Final = frozenset({"builtins.str", "builtins.int", "builtins.float", "builtins.bytes"})
"""An enum that is derived from one of these makes its members' values of that type."""
_HOOK: Final = "__get_pydantic_core_schema__"
_MAKES_VALUES: Final = ("__new__", "__init__", "value")
"""What an enum may define that makes other values of its members than are written."""
_WITHOUT_FIELDS: Final = ("pydantic.", "builtins.", "typing.", "typedtasks.errors.")
"""Modules whose classes have no fields of their own that travel, but for the one of `_ROOT`."""


def is_model(info: TypeInfo) -> bool:
    """Return whether a class is a pydantic model."""
    return info.has_base("pydantic.main.BaseModel")


def is_failure(info: TypeInfo) -> bool:
    """Return whether a class is a failure, such as `raises=` declares."""
    return info.has_base("typedtasks.errors.TaskError")


def is_named_tuple(info: TypeInfo) -> bool:
    """Return whether a class is a NamedTuple, or is derived from one."""
    return any(base.is_named_tuple for base in info.mro)


def has_own_schema(info: TypeInfo) -> bool:
    """Return whether a class says itself how it travels; every model inherits a method that says what pydantic makes of it."""
    return any(_HOOK in base.names and not base.fullname.startswith("pydantic.") for base in info.mro)


def fields_of(info: TypeInfo) -> Iterator[tuple[str, Type, TypeInfo]]:
    """Yield the fields of a model, dataclass, failure or NamedTuple: name, type and the class that has it, the last first.

    The types are in terms of the class's own type variables, wherever the field comes from.
    """
    own = fill_typevars(info)
    instance = own if isinstance(own, Instance) else own.partial_fallback
    of_failure, of_tuple = is_failure(info), is_named_tuple(info)
    private = "_" if of_failure or of_tuple or is_model(info) else "__"
    seen: set[str] = set()
    for base in info.mro:
        home = base.fullname
        if home.startswith(_WITHOUT_FIELDS):
            if home == _ROOT and "root" not in seen:
                yield "root", map_instance_to_supertype(instance, base).args[0], info
            continue
        if of_failure and not is_failure(base):
            continue
        for name, symbol in reversed(base.names.items()):
            node = symbol.node
            if not isinstance(node, Var) or name in seen or name.startswith(private) or (type := node.type) is None:
                continue
            if (of_tuple and name.endswith("-redefinition")) or name == "_":  # `_: KW_ONLY` is no field
                continue
            seen.add(name)
            if not (node.is_classvar or node.is_inferred or name == "model_config"):
                yield name, _in_terms_of(instance, type, base) if base.type_vars else type, base


def _in_terms_of(instance: Instance, type: Type, base: TypeInfo) -> Type:
    """Return the type of a field of a base class, where the base's type variables are those of the instance."""
    return expand_type_by_instance(type, map_instance_to_supertype(instance, base))


def has_default(info: TypeInfo, name: str) -> bool | None:
    """Return whether a field may be left out; None where mypy does not know: `Field(3)` is no default without pydantic's plugin."""
    if is_named_tuple(info):
        return name in _optional_parameters(info.get_method("__new__"))
    # Any: metadata is JSON of the plugin that wrote it.
    dataclass: dict[str, Any] = info.metadata.get("dataclass", {})
    for attribute in dataclass.get("attributes", []):
        if attribute["name"] == name:
            return bool(attribute["has_default"]) or (None if _is_assigned(info, name) else False)
    of_pydantic: dict[str, Any] = info.metadata.get("pydantic-mypy-metadata", {}).get("fields", {})
    return bool(of_pydantic[name]["has_default"]) if name in of_pydantic else None


def _optional_parameters(method: object) -> set[str | None]:
    type = get_proper_type(method.type) if isinstance(method, FuncDef) else None
    if not isinstance(type, CallableType):
        return set()
    return {name for name, kind in zip(type.arg_names, type.arg_kinds, strict=True) if kind.is_optional()}


def member_values(info: TypeInfo) -> dict[str, object]:
    """Return the values of an enum's members, where they are written as literals and nothing makes others of them."""
    own = [base for base in info.mro if base.module_name not in ("enum", "builtins")]
    if not info.is_enum or any(name in base.names for base in own for name in _MAKES_VALUES):
        return {}
    kinds = {base.name for base in info.mro if base.fullname in _DATA_TYPES}
    types = {name: get_proper_type(symbol.node.type) for name, symbol in info.names.items() if isinstance(symbol.node, Var)}
    literals = {name: type.last_known_value for name, type in types.items() if isinstance(type, Instance)}
    values = {name: literal.value for name, literal in literals.items() if literal is not None and name in info.enum_members}
    return {name: value for name, value in values.items() if kinds <= {type(value).__name__}}


def _is_assigned(info: TypeInfo, name: str) -> bool:
    symbol = info.get(name)
    return symbol is not None and isinstance(symbol.node, Var) and symbol.node.has_explicit_value
