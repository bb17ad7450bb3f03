"""Which types cannot cross a queue, decided on the types that mypy sees. `typedtasks.contract.roundtrip` decides it at run time.

Only what is certain is reported: `Annotated` may say how a type travels, and mypy does not keep it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Final

from mypy.checker import TypeChecker
from mypy.expandtype import expand_type_by_instance
from mypy.nodes import TypeInfo, Var
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    LiteralType,
    NoneType,
    Overloaded,
    ProperType,
    TupleType,
    Type,
    TypeAliasType,
    TypedDictType,
    TypeOfAny,
    TypeType,
    TypeVarType,
    UninhabitedType,
    UnionType,
    get_proper_type,
)

from typedtasks.mypy_plugin.classes import fields_of, has_own_schema, is_failure, is_model, member_values
from typedtasks.mypy_plugin.dependencies import Dependencies
from typedtasks.mypy_plugin.source import Sources
from typedtasks.mypy_plugin.unions import TEXTS, union_obstacle

__all__ = ["OF_LIBRARY", "Portability"]

_SECRET: Final = "typedtasks.secret.Secret"
_CONTAINERS: Final = frozenset(
    {
        *(f"builtins.{name}" for name in ("list", "set", "frozenset", "dict", "tuple")),
        *(f"collections.{name}" for name in ("deque", "OrderedDict", "Counter", "defaultdict")),
        *(f"typing.{name}" for name in ("Sequence", "Mapping", "MutableMapping", "AbstractSet", "MutableSet", "MutableSequence")),
        _SECRET,
    }
)
_WITH_ANY_MEMBERS: Final = frozenset({"collections.defaultdict"})
"""Mappings whose keys may be any members of an enum."""
_MAPPINGS: Final = frozenset(
    {
        "builtins.dict",
        "collections.OrderedDict",
        "collections.Counter",
        "collections.defaultdict",
        "typing.Mapping",
        "typing.MutableMapping",
    }
)
_NO_KEYS: Final = frozenset({"builtins.complex", "fractions.Fraction", "zoneinfo.ZoneInfo"})
_ITERATORS: Final = frozenset(
    f"typing.{name}" for name in ("Iterable", "Iterator", "Generator", "AsyncIterable", "AsyncIterator", "AsyncGenerator")
)
_SECRETS: Final = frozenset(f"pydantic.types.{name}" for name in ("Secret", "SecretStr", "SecretBytes"))
OF_LIBRARY: Final = TEXTS | {"zoneinfo.ZoneInfo"}
"""Usual classes of Python's library that have a JSON form."""
_FINE: Final = OF_LIBRARY | {"builtins.int", "builtins.float", "builtins.bool"}
_OF_JSON: Final = frozenset({"builtins.str", "builtins.int", "builtins.float"})
"""What a member of an enum has to be by itself to come back from JSON as a literal."""
_NO_FORM: Final = "this class has no JSON form; use a pydantic model or a dataclass"
_ANYTHING: Final = "a value of any type does not come back as it was; name the type, or use pydantic.JsonValue"
_FUNCTION: Final = "a function cannot be sent; send data that says what to do"
_CLASS: Final = "a class cannot be sent; send a Literal or an Enum that stands for it"
_VARIABLE: Final = "a type variable says nothing that can be validated; name the type"


class Portability:
    """Tells why types that one module uses cannot cross a queue. Good for one pass of mypy over the module (`pass_of`)."""

    def __init__(self, checker: TypeChecker, sources: Sources, dependencies: Dependencies) -> None:
        self._checker = checker
        self._sources = sources
        self._dependencies = dependencies
        self._clean: set[Instance] = set()
        """The classes of earlier answers in which there was nothing at all."""
        self._inside: list[Instance] = []
        """The generic classes that the one which is looked into at present is inside of."""
        self._seen: set[Instance] = set()
        """The classes that were looked into for the present answer: one may contain itself."""
        self._has_doubts = False
        """Whether there was something in one of these, also where `Annotated` may change it or nothing is known of it."""

    def obstacle(self, type: Type) -> str | None:
        """Return why values of a type cannot make the round trip, or None where nothing is known against it."""
        return self._ended(self._of(type))

    def obstacle_in(self, failure: Instance) -> str | None:
        """Return the same of a class that is declared in `raises=`."""
        if failure in self._clean:
            return None
        self._dependencies.add(self._checker, failure.type)
        self._seen.add(failure)
        return self._ended(self._of_fields(failure))

    def _ended(self, reason: str | None) -> str | None:
        if self._seen:
            if not self._has_doubts:
                self._clean |= self._seen
            self._seen, self._has_doubts = set(), False
        return reason

    def _of(self, type: Type) -> str | None:
        if isinstance(type, TypeAliasType) and type.is_recursive:
            return None  # such as pydantic.JsonValue
        proper = get_proper_type(type)
        if isinstance(proper, Instance):
            return None if proper.type.fullname in _FINE else self._of_instance(proper)
        if isinstance(proper, UnionType):
            return union_obstacle(proper) or self._first(proper.items)
        if isinstance(proper, TupleType):
            return self._first(proper.items)
        if isinstance(proper, TypedDictType):
            return self._first(list(proper.items.values()))
        if isinstance(proper, AnyType):
            self._has_doubts = True  # to mypy G[Any] is the same type whether Any was written, left out or came from an error
        return _of_other(proper)

    def _first(self, types: Sequence[Type]) -> str | None:
        for type in types:
            if (reason := self._of(type)) is not None:
                return reason
        return None

    def _of_instance(self, instance: Instance) -> str | None:
        if instance in self._clean:
            return None
        info = instance.type
        name = info.fullname
        if name in _CONTAINERS:
            return (_key_obstacle(instance.args[0], name) if name in _MAPPINGS else None) or self._first(instance.args)
        if name == "builtins.object":
            return _ANYTHING
        if name in _ITERATORS:
            return "an iterator does not come back as it was; use list[...]"
        if name in _SECRETS:
            return "a secret of pydantic is sent as stars; use typedtasks.Secret[...], or a reference to where the secret is kept"
        if name in ("builtins.function", "types.FunctionType"):
            return _FUNCTION
        if name == "builtins.type":
            return _CLASS
        return self._of_named(instance)

    def _of_named(self, instance: Instance) -> str | None:
        """Return what is against a class that a program defines, or imports."""
        info = instance.type
        name = info.fullname
        if not name.startswith("pydantic"):
            self._dependencies.add(self._checker, info)
        if name == "pydantic.main.BaseModel":
            return "BaseModel itself has no fields; name the model"
        if info.is_newtype:
            return self._first(list(info.bases))
        if info.is_enum:
            return _member_obstacle(info)
        if info.fallback_to_any or name.startswith(("pydantic.", "pydantic_")) or has_own_schema(info):
            return None
        if _is_of_library(info):
            return self._of_library(info)
        return self._of_class(instance)

    def _of_library(self, info: TypeInfo) -> str | None:
        from typedtasks.mypy_plugin import possible  # the library takes longer to import than a hundred tasks to check

        return possible.class_obstacle(info.module_name, info.name)

    def _of_class(self, instance: Instance) -> str | None:
        info = instance.type
        if instance in self._seen or (instance.args and self._is_growing(instance)):
            return None
        has_dataclass = any("dataclass" in key for base in info.mro for key in base.metadata)
        if is_failure(info) or not (has_dataclass or is_model(info) or info.is_named_tuple):
            return _NO_FORM
        self._seen.add(instance)
        if not instance.args:
            return self._of_fields(instance)
        self._inside.append(instance)
        reason = self._of_fields(instance)
        self._inside.pop()
        return reason

    def _of_fields(self, instance: Instance) -> str | None:
        for name, type, home in fields_of(instance.type):
            reason = self._of(expand_type_by_instance(type, instance) if instance.args else type)
            if reason is not None:
                self._has_doubts = True
                if not self._sources.is_field_changed(home, name):
                    return f"in {instance.type.name}.{name}, {reason}"
        return None

    def _is_growing(self, instance: Instance) -> bool:
        """Return whether a generic class contains itself with ever larger arguments, each made of those before."""
        before = (one for one in self._inside if one.type is instance.type)
        return sum(any(_contains(new, old) for new in instance.args for old in one.args) for one in before) > 1


def _of_other(type: ProperType) -> str | None:
    if isinstance(type, AnyType):
        origin = type.source_any or type  # the Any of G[Any] is another one in the field of G
        if origin.type_of_any == TypeOfAny.from_omitted_generics:
            return "its items have no type; write list[...], dict[str, ...] and so on"
        return _ANYTHING if origin.type_of_any == TypeOfAny.explicit else None
    if isinstance(type, UninhabitedType):
        return "it has no values; name the type of what is sent, or write None"
    if isinstance(type, CallableType | Overloaded):
        return _CLASS if type.is_type_obj() else _FUNCTION
    if isinstance(type, TypeType):
        return _CLASS
    if isinstance(type, TypeVarType):
        return _VARIABLE
    return _literal_obstacle(type) if isinstance(type, LiteralType) else None


def _literal_obstacle(literal: LiteralType) -> str | None:
    info = literal.fallback.type
    if info.fullname == "builtins.bytes":
        return f"the literal with the value b{literal.value!r} does not come back from JSON; use a str or an int as its value"
    if info.is_enum and not any(base.fullname in _OF_JSON for base in info.mro):
        return f"the literal {info.name}.{literal.value} does not come back from JSON; derive {info.name} from StrEnum or IntEnum"
    return None


def _contains(type: Type, part: Type) -> bool:
    """Return whether something is inside another type."""
    if isinstance(type, TypeAliasType) and type.is_recursive:
        return False
    proper = get_proper_type(type)
    return any(one == part or _contains(one, part) for one in _inside(proper))


def _inside(type: ProperType) -> Iterable[Type]:
    if isinstance(type, Instance):
        return type.args
    if isinstance(type, UnionType | TupleType):
        return type.items
    if isinstance(type, TypedDictType):
        return type.items.values()
    if isinstance(type, CallableType):
        return [*type.arg_types, type.ret_type]
    return [type.item] if isinstance(type, TypeType) else ()


def _member_obstacle(info: TypeInfo) -> str | None:
    for name, symbol in info.names.items():
        node = symbol.node
        kind = get_proper_type(node.type) if isinstance(node, Var) and not name.startswith("_") else None
        if isinstance(kind, TupleType) or (isinstance(kind, Instance) and kind.type.fullname == "builtins.bytes"):
            return f"the value of {info.name}.{name} does not come back from JSON; use a str or an int as its value"
    return None


def _key_obstacle(key: Type, mapping: str) -> str | None:
    proper = get_proper_type(key)
    no_text = isinstance(proper, TupleType | TypedDictType | UnionType | NoneType)
    if isinstance(proper, Instance):
        is_object = is_model(proper.type) or "dataclass" in proper.type.metadata
        values = member_values(proper.type).values() if mapping not in _WITH_ANY_MEMBERS else ()
        is_container = proper.type.fullname in _CONTAINERS - {_SECRET}
        no_text = is_object or is_container or not all(isinstance(value, str) for value in values)
        no_text = no_text or proper.type.fullname in _NO_KEYS
    literals = [get_proper_type(item) for item in proper.items] if isinstance(proper, UnionType) else [proper]
    if all(isinstance(one, LiteralType) for one in literals):
        no_text = not all(isinstance(one, LiteralType) and isinstance(one.value, str) for one in literals)
    return f"keys of the type {_shown(proper)} do not come back from JSON; use str keys, or a list of pairs" if no_text else None


def _shown(type: ProperType) -> str:
    return type.type.name if isinstance(type, Instance) else str(type)


def _is_of_library(info: TypeInfo) -> bool:
    return info.module_name.partition(".")[0] in sys.stdlib_module_names
