"""The contract as the checked program would have it: the committed one, with the types that mypy sees put in.

mypy does not see constraints, validators, configuration and most default values. They are taken over from the committed
contract, so that they are never a difference here; `typedtasks breaking` sees them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from mypy.nodes import TypeInfo
from mypy.types import (
    Instance,
    LiteralType,
    NoneType,
    TupleType,
    Type,
    TypeAliasType,
    TypedDictType,
    TypeVarType,
    UnionType,
    get_proper_type,
)

from typedtasks.mypy_plugin.classes import fields_of, has_default, is_failure, is_model, is_named_tuple, member_values

__all__ = ["Data", "Draft"]

# Any: the JSON of a contract.
Data: TypeAlias = dict[str, Any]
Form: TypeAlias = Any
_Forms: TypeAlias = list[Any]

_ATOMS: Final[Mapping[str, str]] = {
    **{f"builtins.{name}": name for name in ("bool", "int", "float", "str", "bytes")},
    **{name: name for name in ("datetime.date", "datetime.datetime", "datetime.time", "datetime.timedelta", "uuid.UUID")},
    **{f"pathlib.{name}": f"pathlib.{name}" for name in ("Path", "PurePath", "PosixPath", "PurePosixPath")},
    **{f"ipaddress.IPv{v}{name}": f"ipaddress.IPv{v}{name}" for v in (4, 6) for name in ("Address", "Interface", "Network")},
    "decimal.Decimal": "decimal.Decimal",
    "_decimal.Decimal": "decimal.Decimal",
}
_CONTAINERS: Final[Mapping[str, str]] = {
    **{f"builtins.{name}": name for name in ("list", "set", "frozenset", "dict")},
    **{f"collections.{name}": f"collections.{name}" for name in ("deque", "OrderedDict", "Counter")},
    **{f"typing.{name}": f"collections.abc.{name}" for name in ("Sequence", "Mapping", "MutableMapping", "MutableSet")},
    "typing.AbstractSet": "collections.abc.Set",
    "typedtasks.secret.Secret": "typedtasks.Secret",
}
_JSON_VALUE: Final = "pydantic.types.JsonValue"
_TRANSPARENT: Final = frozenset({"alias", "new-type", "root"})


class Draft:
    """Writes types of the program in the form of a contract. `seen` is called with each class that the answer depends on."""

    def __init__(self, committed: Data, seen: Callable[[TypeInfo], None]) -> None:
        self._old: Data = committed["types"]
        self._seen = seen
        self.types: Data = dict(self._old)
        self._defined: set[str] = set()

    def form(self, type: Type, old: Form = None) -> Form:
        """Return a type as it stands in a contract. `old` is what stands there now: what mypy cannot see is left as it is."""
        before = _data(old)
        if "constraints" in before:
            inner = self.form(type, before["type"])
            return old if inner == before["type"] else {**before, "type": inner}
        if isinstance(type, TypeAliasType) and type.alias is not None:
            return self._alias(type, old)
        stands_for = self._stands_for(type, old)
        if stands_for is not None:
            inner = self.form(type, stands_for)
            return old if inner == stands_for else inner
        proper = get_proper_type(type)
        if isinstance(proper, NoneType):
            return "None"
        if isinstance(proper, TypeVarType):
            return {"parameter": proper.name}
        if isinstance(proper, UnionType | LiteralType):
            return self._union(proper.items if isinstance(proper, UnionType) else [proper], old)
        if isinstance(proper, TupleType) and proper.partial_fallback.type.fullname == "builtins.tuple":
            return {"generic": "tuple", "arguments": self._arguments("tuple", proper.items, old)}
        if isinstance(proper, TupleType):
            return self._named(proper.partial_fallback, old)
        if isinstance(proper, TypedDictType):
            return self._named(proper.fallback, old, proper)
        if isinstance(proper, Instance):
            return self._instance(proper, old)
        return str(proper) if old is None else old

    def id_of(self, info: TypeInfo, old: str | None = None) -> str:
        """Return under which id a class stands in the contract; one that was moved to another module keeps its own."""
        if info.fullname in self._old:
            return info.fullname
        return old if old is not None and old in self._old and self._old[old]["name"] == info.name else info.fullname

    def define(self, id: str, instance: Instance, typed_dict: TypedDictType | None = None) -> None:
        """Put a class of the program into the types."""
        if id in self._defined:
            return
        self._defined.add(id)
        info = instance.type
        self._seen(info)
        old: Data = self._old.get(id, {})
        new: Data = {**old, "kind": _kind(info, old, typed_dict), "name": old.get("name", info.name)}
        self.types[id] = new
        if info.is_enum:
            values = {member["name"]: member["value"] for member in old.get("members", [])} | member_values(info)
            new["members"] = [{"name": name, "value": values.get(name, name)} for name in info.enum_members]
        elif info.is_newtype:
            new["type"] = self.form(info.bases[0], old.get("type"))
        else:
            known = {field["name"]: field for field in old.get("fields", [])}
            fields = {field["name"]: field for field in self._fields(info, typed_dict, known)}
            order = [*(name for name in known if name in fields), *(name for name in fields if name not in known)]
            kept = [field for name, field in known.items() if name.startswith("__")]
            new["fields"] = [*(fields[name] for name in order), *kept]

    def _fields(self, info: TypeInfo, typed_dict: TypedDictType | None, known: Data) -> Iterator[Data]:
        if typed_dict is not None:
            generic = info.typeddict_type or typed_dict  # in terms of its own type variables
            for name, type in generic.items.items():
                yield self._field(name, type, known.get(name, {}), required=name in generic.required_keys)
            return
        for name, type, _ in reversed(list(fields_of(info))):
            old = known.get(name, {})
            optional = has_default(info, name)
            required = bool(old.get("required", True)) if optional is None else not optional
            yield self._field(name, type, old, required=required)

    def _field(self, name: str, type: Type, old: Data, *, required: bool) -> Data:
        field: Data = {**old, "name": name, "type": self.form(type, old.get("type")), "required": required}
        if required:
            field.pop("default", None)
            field.pop("python_default", None)
        return field

    def _alias(self, type: TypeAliasType, old: Form) -> Form:
        alias = type.alias
        if alias is None or alias.fullname == _JSON_VALUE:
            return "pydantic.JsonValue"
        known = _data(old).get("ref") == alias.fullname and self._old[alias.fullname]["kind"] == "alias"
        if type.is_recursive or (known and type.args):
            return str(alias.fullname) if old is None else old
        if known:
            definition: Data = self._old[alias.fullname]
            inner = self.form(alias.target, definition.get("type"))
            self.types[alias.fullname] = {**definition, "type": inner}
            return old
        return self.form(get_proper_type(type), old)

    def _stands_for(self, type: Type, old: Form) -> Form:
        """Return what a NewType, alias or RootModel of the contract stands for, where the program has no class of that name."""
        id: str | None = _data(old).get("ref")
        if id is None or self._old[id]["kind"] not in _TRANSPARENT:
            return None
        proper = get_proper_type(type)
        if isinstance(proper, Instance) and self.id_of(proper.type, id) == id:
            return None
        return self._old[id].get("type")

    def _instance(self, instance: Instance, old: Form) -> Form:
        info = instance.type
        name = info.fullname
        if isinstance(old, str) and old.startswith("pydantic.") and _may_be(old, name):
            return old
        if name in _ATOMS:
            return _ATOMS[name]
        if name.startswith("pydantic."):
            return f"pydantic.{info.name}"
        if name == "builtins.tuple":
            return {"generic": "tuple", "arguments": self._arguments("tuple", instance.args, old), "variadic": True}
        if name in _CONTAINERS:
            return {"generic": _CONTAINERS[name], "arguments": self._arguments(_CONTAINERS[name], instance.args, old)}
        return self._named(instance, old)

    def _named(self, instance: Instance, old: Form, typed_dict: TypedDictType | None = None) -> Form:
        before = _data(old)
        id = self.id_of(instance.type, before.get("ref"))
        self.define(id, instance, typed_dict)
        if not instance.args:
            return {"ref": id}
        guides: _Forms = before.get("arguments", []) if before.get("ref") == id else []
        return {"ref": id, "arguments": self._guided(instance.args, guides)}

    def _arguments(self, name: str, types: Sequence[Type], old: Form) -> _Forms:
        before = _data(old)
        return self._guided(types, before["arguments"] if before.get("generic") == name else [])

    def _guided(self, types: Sequence[Type], guides: _Forms) -> _Forms:
        padded: _Forms = [*guides, *[None] * len(types)]
        return [self.form(type, guide) for type, guide in zip(types, padded, strict=False)]

    def _union(self, types: Sequence[Type], old: Form) -> Form:
        """Return a union with its literals in one place. In another order it is the same."""
        before: _Forms = _data(old).get("union", [old])
        values: _Forms = []
        members: _Forms = []
        for type in types:
            proper = get_proper_type(type)
            if isinstance(proper, LiteralType):
                values.append(self._value(proper))
                continue
            forms = [self.form(type, guide) for guide in before if guide is not None]
            same = [form for form in forms if form in before]
            members.append(same[0] if same else self.form(type))
        if values:
            known = [one for one in map(_data, before) if "literal" in one and _set(one["literal"]) == _set(values)]
            members.insert(0, known[0] if known else {"literal": values})
        new = members[0] if len(members) == 1 else {"union": members}
        return old if old is not None and _set(before) == _set(members) else new

    def _value(self, literal: LiteralType) -> Form:
        if literal.fallback.type.is_enum:
            id = self.id_of(literal.fallback.type)
            self.define(id, literal.fallback)
            return {"$": "member", "type": id, "name": literal.value}
        return literal.value


def _kind(info: TypeInfo, old: Data, typed_dict: TypedDictType | None) -> str:
    kind = str(old.get("kind", ""))
    if info.is_enum:
        return "enum"
    if info.is_newtype:
        return "new-type"
    if typed_dict is not None:
        return "typed-dict"
    if is_named_tuple(info):
        return "named-tuple"
    if is_failure(info):
        return "failure"
    if is_model(info):
        return "root" if info.has_base("pydantic.root_model.RootModel") else "model"
    return kind if kind in ("dataclass", "pydantic-dataclass") else "dataclass"


def _may_be(old: str, name: str) -> bool:
    """Return whether mypy may see one of pydantic's types as this class: many are `Annotated` of one of Python's."""
    kind = old.removeprefix("pydantic.")
    if kind.startswith("UUID"):
        return name == "uuid.UUID"
    if kind.endswith("Datetime"):
        return name == "datetime.datetime"
    if kind.endswith("Date"):
        return name == "datetime.date"
    return name == "builtins.str" if kind == "EmailStr" else name.endswith(f".{kind}") or name not in _ATOMS


def _data(form: Form) -> Data:
    """Return what a form says in parts; nothing of an atom."""
    return cast("Data", form) if isinstance(form, dict) else {}


def _set(forms: _Forms) -> set[str]:
    return {json.dumps(form, sort_keys=True) for form in forms}
