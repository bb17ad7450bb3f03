"""Types as they stand in a contract: taken apart, put together and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeGuard, cast

__all__ = [
    "CODE",
    "CONFIG",
    "CONFIG_WITHOUT_EFFECT",
    "DEEPEST",
    "STANDS_FOR",
    "TWICE",
    "WITHOUT_EFFECT",
    "Data",
    "among",
    "besides",
    "by_wire_name",
    "constrained",
    "filled",
    "is_data",
    "is_union",
    "joined",
    "key_of",
    "meant_by",
    "members",
    "name_of",
    "name_read",
    "one_by_one",
    "opened",
    "refusing",
    "same",
    "sort_of",
    "split",
    "type_shown",
    "value_shown",
    "values_shown",
]

Data: TypeAlias = Mapping[str, Any]  # Any: the JSON of a contract, which `_forms` reads with care

WITHOUT_EFFECT: Final = frozenset(
    {"alias", "title", "description", "deprecated", "frozen", "examples", "validate_default", "strict"}  # all is read strictly
)
"""What `Field(...)` says that decides nothing about which values fit; an alias is looked at with its field."""
CONFIG_WITHOUT_EFFECT: Final = frozenset(
    {
        *("title", "frozen", "protected_namespaces", "hide_input_in_errors", "loc_by_alias", "from_attributes"),
        *("validate_assignment", "extra", "validate_default"),
    }
)
STANDS_FOR: Final = frozenset({"new-type", "alias", "root"})
"""Kinds of types that are others in JSON."""
DEEPEST: Final = 400
"""How deep types may be in one another to be compared."""
_REFUSING: Final = ("alidator", "Predicate", "__init__", "post_init__", "model_post_init")
"""Parts of the names of code that may refuse a value and cannot be looked into."""
TWICE: Final = "several layers"
CODE: Final = "code"
CONFIG: Final = "config"
"""What NewTypes, aliases and RootModels say besides the type that they stand for is kept beside its constraints."""
_UNSHOWN: Final = WITHOUT_EFFECT | {TWICE, CODE, CONFIG}


def refusing(definition: Data) -> list[str]:
    """Return the names of code of a type or task that may refuse values: what it does cannot be read from a contract."""
    names: list[str] = definition.get("does_not_travel", [])
    return [name for name in names if any(part in name for part in _REFUSING)]


def filled(definition: Data, arguments: Sequence[object]) -> Data:
    """Return a generic definition with its type arguments in place of its type parameters."""
    if not arguments:
        return definition
    names = [one if isinstance(one, str) else one["name"] for one in definition.get("parameters", [])]
    given = dict(zip(names, arguments, strict=False))

    def fill(data: object) -> object:
        if is_data(data):
            if set(data) == {"parameter"}:
                return given.get(data["parameter"], data)
            return {key: fill(value) for key, value in data.items()}
        return [fill(item) for item in cast("Sequence[object]", data)] if isinstance(data, list) else data

    filled = dict(definition)
    for key in ("type", "fields"):
        if key in filled:
            filled[key] = fill(filled[key])
    return filled


def split(form: object) -> tuple[object, Data]:
    """Return a type without its constraints, and these; those of several layers together."""
    constraints: Data = {}
    while is_data(form) and "constraints" in form:
        constraints, form = joined(constraints, form["constraints"]), form["type"]
    return form, constraints


def joined(outer: Data, inner: Data) -> Data:
    """Return the constraints of two layers; where both have one, they are kept beside it as they are, to be compared as a whole."""
    if all(outer[key] == inner[key] for key in outer if key in inner):
        return {**inner, **outer}
    return {**inner, **outer, TWICE: key_of([outer, inner])}


def besides(definition: Data) -> Data:
    """Return what a NewType, alias or RootModel does besides standing for a type."""
    config = {key: value for key, value in definition.get("config", {}).items() if key not in CONFIG_WITHOUT_EFFECT}
    return {key: value for key, value in ((CODE, refusing(definition)), (CONFIG, config)) if value}


def opened(form: object, types: Data) -> object:
    """Return a type with NewTypes, aliases and RootModels replaced by what they stand for."""
    inner, constraints = split(form)
    seen = 0
    while is_data(inner) and "ref" in inner:
        definition = types[inner["ref"]]
        if definition["kind"] not in STANDS_FOR or seen > DEEPEST:
            break
        seen += 1
        inner, further = split(meant_by(definition, inner))
        constraints = joined(joined(constraints, further), besides(definition))
    return constrained(inner, constraints)


def meant_by(definition: Data, form: Data) -> object:
    """Return the type that a NewType, alias or RootModel stands for where it is used."""
    meant = filled(definition, form.get("arguments", []))
    return meant["fields"][0]["type"] if definition["kind"] == "root" else meant["type"]


def by_wire_name(definition: Data) -> dict[str, Data]:
    """Return the fields of a type by their names in JSON."""
    fields: dict[str, Data] = {}
    for field in definition.get("fields", []):
        constraints = split(field["type"])[1]
        fields[str(constraints.get("alias", field["name"]))] = field
    return fields


def name_read(field: Data, alias: str, written: Data) -> str:
    """Return under which of its two names a field is read that is read under both."""
    return str(field["name"]) if alias not in written and field["name"] in written else alias


def is_data(form: object) -> TypeGuard[Data]:
    """Return whether a type is an object: anything but a name that everybody knows."""
    return isinstance(form, Mapping)


def constrained(form: object, constraints: Data) -> object:
    """Return a type with constraints, if there are any."""
    return {"type": form, "constraints": dict(constraints)} if constraints else form


def is_union(form: object) -> bool:
    """Return whether a type is a union."""
    return is_data(form) and "union" in form


def members(form: object) -> Sequence[object]:
    """Return the members of a union."""
    return cast("Sequence[object]", cast("Data", form)["union"])


def one_by_one(union: object) -> Iterator[object]:
    """Yield the members of a union, each value of its literals for itself."""
    for member in members(union):
        if is_data(member) and "literal" in member:
            yield from ("None" if value is None else {"literal": [value]} for value in member["literal"])
        else:
            yield member


def sort_of(form: object) -> str | None:
    """Return what two types share that are meant for the same values."""
    inner = split(form)[0]
    if not is_data(inner):
        return str(inner)
    return "literal" if "literal" in inner else cast("str | None", inner.get("generic", name_of(inner)))


def name_of(form: object) -> str | None:
    """Return the name of a type of the service, without its module; None for others."""
    inner = split(form)[0]
    if is_data(inner) and "ref" in inner:
        return str(inner["ref"]).rpartition(".")[2]
    return None


def same(one: object, other: object) -> bool:
    """Return whether two values are the same as JSON: true is not 1, and 1 is not 1.0."""
    return key_of(one) == key_of(other)


def among(value: object, values: Sequence[object]) -> bool:
    """Return whether a value is one of others."""
    return any(same(value, other) for other in values)


def key_of(data: object) -> str:
    """Return text that is the same for the same data."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def value_shown(value: object) -> str:
    """Return a value for people: one that is made by a call, such as a `Decimal` or a date, as what it is made of."""
    if is_data(value) and value.get("$") == "call":
        arguments = [str(one) for one in value.get("arguments", [])]
        return arguments[0] if len(arguments) == 1 else f"{str(value.get('name')).rpartition('.')[2]}({', '.join(arguments)})"
    return json.dumps(value, ensure_ascii=False)


def values_shown(values: Sequence[object]) -> str:
    """Return values for people."""
    return ", ".join(map(value_shown, values))


def type_shown(form: object) -> str:
    """Return a type as it is written in Python, as far as that is short."""
    inner, constraints = split(form)
    if isinstance(inner, str):
        text = inner.rpartition(".")[2]
    else:
        one = cast("Data", inner)
        if "literal" in one:
            text = f"Literal[{values_shown(one['literal'])}]"
        elif "union" in one:
            text = " | ".join(map(type_shown, one["union"]))
        elif "parameter" in one:
            text = str(one["parameter"])
        else:
            arguments = ", ".join([*map(type_shown, one.get("arguments", [])), *(["..."] if one.get("variadic") else [])])
            text = str(one.get("ref", one.get("generic"))).rpartition(".")[2] + (f"[{arguments}]" if arguments else "")
    marks = ", ".join(f"{key}={value_shown(value)}" for key, value in sorted(constraints.items()) if key not in _UNSHOWN)
    return f"{text}({marks})" if marks else text
