"""Whether a type takes every value of another, by the data of two contracts. What cannot be proved is a gap, never a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, cast

from typedtasks_codegen.compatibility.assumptions import Assumptions
from typedtasks_codegen.compatibility.enums import enum_gaps
from typedtasks_codegen.compatibility.gaps import Gap, Kind, Role
from typedtasks_codegen.compatibility.in_code import InCode
from typedtasks_codegen.compatibility.limits import BY_NAME, Limits
from typedtasks_codegen.compatibility.sides import Side
from typedtasks_codegen.compatibility.types import (
    DEEPEST,
    Data,
    among,
    by_wire_name,
    constrained,
    filled,
    is_data,
    is_union,
    key_of,
    members,
    name_read,
    one_by_one,
    opened,
    sort_of,
    split,
    type_shown,
    values_shown,
)
from typedtasks_codegen.compatibility.values import Values
from typedtasks_codegen.compatibility.wire import (
    ANYTHING,
    ARRAYS,
    MAPPINGS,
    atom_reads,
    is_fixed_tuple,
    key_and_value,
    reads_any_text,
    written_constraints,
)

__all__ = ["Coverage"]


_OBJECTS: Final = frozenset({"model", "dataclass", "pydantic-dataclass", "typed-dict", "failure"})
_NUMBERS: Final = frozenset({"int", "float", "bool"})

Extras: TypeAlias = tuple[frozenset[str], frozenset[str]]
"""What the target and the source may do with unknown fields where a type does not say: what stands around it decides."""
_Pair: TypeAlias = tuple[str, str, Extras]
_FORBIDDEN: Final[Extras] = (frozenset({"forbid"}), frozenset({"forbid"}))


class Coverage:
    """Decides whether the types of one contract (the target) take all values that those of another (the source) stand for."""

    def __init__(self, target: Side, source: Side, role: Role) -> None:
        self._sides = target, source
        self._target: Data = target.types
        self._source: Data = source.types
        self._role = role
        self._values = Values(target, source)
        self._limits = Limits(target, source)
        self._code = InCode(target, source, role)
        self._assumptions = Assumptions[_Pair]()
        self._failed: set[_Pair] = set()
        """Pairs of members of unions of which one does not take the other, whatever is assumed."""
        self._found: dict[_Pair, list[Gap]] = {}
        """The gaps of pairs that were compared for some task already, with paths that begin there."""

    def gaps(self, target: object, source: object, path: str) -> list[Gap]:
        """Return what of the source the target does not take, each with its place; nothing where it takes all."""
        return self._all(lambda: self._form(target, source, path, _FORBIDDEN), path)

    def field_gaps(self, target: str, source: str, path: str) -> list[Gap]:
        """Return the same for two types that are compared by their fields, such as failures."""
        return self._all(lambda: self._definition(self._target[target], self._source[source], path, _FORBIDDEN), path)

    def _all(self, compare: Callable[[], Iterator[Gap]], path: str) -> list[Gap]:
        self._assumptions.forget((0, 0))
        try:
            return list(dict.fromkeys(compare()))
        except RecursionError:
            return [Gap(Kind.UNPROVED, path, "the types are nested too deep to be compared")]

    def _form(self, target: object, source: object, path: str, inherited: Extras) -> Iterator[Gap]:
        if target == source and inherited[0] == inherited[1] and self._sides[0].looks_like(self._sides[1], target):
            return
        pair = (key_of(target), key_of(source), inherited)
        if self._assumptions.has(pair):
            return
        if path.count(".") + path.count("[") > DEEPEST:
            self._assumptions.rest_on_all()
            yield Gap(Kind.UNPROVED, path, "the types grow without end, which cannot be compared")
            return
        self._assumptions.begin(pair)
        detours = self._assumptions.detours
        found = self._repeated(pair, path) if pair in self._found else self._compared(target, source, path, inherited)
        gaps: list[Gap] = []
        for gap in found:
            gaps.append(gap if gap.origin is not None else replace(gap, origin=pair))
            yield gaps[-1]
        if self._assumptions.end(holds=not gaps) and gaps and detours == self._assumptions.detours:
            self._found.setdefault(pair, [gap.moved(path, "") for gap in gaps])

    def _repeated(self, pair: _Pair, path: str) -> Iterator[Gap]:
        """Yield what was found of a pair before, except for what has its origin in a pair that this task has led to already."""
        origins = dict.fromkeys(cast("_Pair", gap.origin) for gap in self._found[pair])
        new = {origin for origin in origins if origin == pair or not self._assumptions.has(origin)}
        yield from (gap.moved("", path) for gap in self._found[pair] if gap.origin in new)
        for origin in new - {pair}:
            self._assumptions.begin(origin)
            self._assumptions.end(holds=False)

    def _compared(self, target: object, source: object, path: str, inherited: Extras) -> Iterator[Gap]:
        whole, (inner, constraints) = target, split(opened(source, self._source))
        target, outer = split(opened(target, self._target))
        yield from self._code.stand_in_gaps(whole, source, path)
        if target == ANYTHING:
            yield from self._code.type_gaps(target, inner, path)
            return
        values = self._values.of(inner)
        if values is not None and not self._values.are_alike(target, inner):
            yield from self._finite(whole, inner, values, path)
            return
        if outer:
            written = self._items(inner, self._source) or inner if is_data(inner) else inner
            yield from self._limits.gaps(outer, written_constraints(target, written, constraints), path, inner)
        yield from self._code.name_gaps(target, source, path)
        if is_union(target):
            yield from self._union(target, source, path, inherited)
        elif is_union(inner):
            yield from self._union({"union": [target]}, source, path, inherited)
        else:
            yield from self._single(target, inner, path, inherited)

    def _finite(self, target: object, source: object, values: Sequence[object], path: str) -> Iterator[Gap]:
        """Compare a type that writes a few values with one of another kind, value by value."""
        read = {key_of(value): self._values.are_read(target, value) for value in values}
        missing = [value for value in values if read[key_of(value)] is False]
        if missing:
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}: {values_shown(missing)}")
        elif None in read.values():
            yield Gap(Kind.UNPROVED, path, f"{type_shown(source)} cannot be compared with {type_shown(target)}")
        else:
            yield from self._code.type_gaps(target, source, path)

    def _single(self, target: object, source: object, path: str, inherited: Extras) -> Iterator[Gap]:
        if target == source and isinstance(target, str):
            return
        if atom_reads(target, source):
            yield from self._code.type_gaps(target, source, path)
            return
        if isinstance(target, str) or isinstance(source, str):
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")
            return
        one, other = self._as_containers(cast("Data", target), cast("Data", source))
        if "literal" in one and "literal" in other:
            missing = [value for value in other["literal"] if not among(value, one["literal"])]
            if missing:
                yield Gap(Kind.VALUE, path, f"{values_shown(missing)} {'is' if len(missing) == 1 else 'are'} not taken")
        elif "ref" in one and "ref" in other:
            yield from self._references(one, other, path, inherited)
        elif "generic" in one and "generic" in other:
            yield from self._containers(one, other, path, inherited)
        elif "ref" in one and other.get("generic") in MAPPINGS:
            yield from self._mapping_as_object(one, other, path, inherited)
        elif "generic" in one and self._is_object(other):
            yield from self._object_as_mapping(one, other, path, inherited)
        else:
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")

    def _as_containers(self, target: Data, source: Data) -> tuple[Data, Data]:
        """Return two types with what a NamedTuple is on the wire, where only one of them is a NamedTuple."""
        tuples = self._items(target, self._target), self._items(source, self._source)
        if (tuples[0] is None) == (tuples[1] is None):
            return target, source
        return (target if tuples[0] is None else tuples[0]), (source if tuples[1] is None else tuples[1])

    def _items(self, form: Data, types: Data) -> Data | None:
        definition: Data = types[form["ref"]] if "ref" in form else {"kind": ""}
        if definition["kind"] != "named-tuple":
            return None
        fields = filled(definition, form.get("arguments", [])).get("fields", [])
        return {"generic": "tuple", "arguments": [field["type"] for field in fields], "meant": type_shown(form)}

    def _is_object(self, form: Data) -> bool:
        return "ref" in form and self._source[form["ref"]]["kind"] in _OBJECTS

    def _mapping_as_object(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        """Compare a dictionary with what is read of it: that may have any key, or none."""
        definition = filled(self._target[target["ref"]], target.get("arguments", []))
        fields = definition.get("fields", [])
        reads_anything = definition["kind"] in _OBJECTS and "forbid" not in _extra(definition, inherited[0])
        if not reads_anything or any(field["required"] for field in fields):
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")
            return
        yield self._code.gap(Kind.TYPE, path, "the type is", (type_shown(target), type_shown(source)))
        for field in fields:
            yield from self._form(field["type"], key_and_value(source)[1], f"{path}.{field['name']}", inherited)

    def _object_as_mapping(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        """Compare what a model writes with a dictionary: its fields are keys."""
        definition = filled(self._source[source["ref"]], source.get("arguments", []))
        fields = by_wire_name(definition)
        extras = fields.pop("__pydantic_extra__", None)
        if target["generic"] not in MAPPINGS:
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")
            return
        key, value = key_and_value(target)
        yield self._code.gap(Kind.TYPE, path, "the type is", (type_shown(target), type_shown(source)))
        refused = [name for name in fields if self._values.are_read(key, name) is not True]
        if refused or extras is not None or "allow" in _extra(definition, inherited[1]):
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")
        for name, field in fields.items():
            yield from self._form(value, field["type"], f"{path}.{name}", inherited)

    def _references(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        new, old = self._target[target["ref"]], self._source[source["ref"]]
        new = filled(new, target.get("arguments", []))
        old = filled(old, source.get("arguments", []))
        yield from self._definition(new, old, path, inherited)

    def _definition(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        kinds = (target["kind"], source["kind"])
        yield from self._limits.validator_gaps(target, source, path)
        if kinds == ("enum", "enum"):
            yield from enum_gaps(target, source, path)
        elif kinds == ("named-tuple", "named-tuple"):
            yield from self._named_tuples(target, source, path, inherited)
        elif kinds[0] == "named-tuple" and kinds[1] in _OBJECTS:
            yield self._code.gap(Kind.TYPE, path, "the type is a", kinds)
            yield from self._objects({**target, "config": {"extra": "forbid"}}, source, path, inherited)
        elif set(kinds) <= _OBJECTS:
            if kinds[0] != kinds[1]:
                yield self._code.gap(Kind.TYPE, path, "the type is a", kinds)
            yield from self._objects(target, source, path, inherited)
        else:
            yield Gap(Kind.TYPE, path, f"the {kinds[1]} {source['name']} is not taken as the {kinds[0]} {target['name']}")

    def _objects(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        yield from self._limits.config_gaps(target.get("config", {}), source.get("config", {}), path)
        new, old = by_wire_name(target), by_wire_name(source)
        extras = new.pop("__pydantic_extra__", None)
        more = old.pop("__pydantic_extra__", None)
        own = (_extra(target, inherited[0]), _extra(source, inherited[1]))
        inherited = (inherited[0] | own[0], inherited[1] | own[1])
        if own[0] != own[1] and "forbid" in own[0] and "allow" in own[1]:
            yield Gap(Kind.FIELD_UNKNOWN, path, "further fields are refused")
        elif "allow" in own[1] and "allow" not in own[0]:
            yield Gap(Kind.FIELD_UNKNOWN, path, "further fields are ignored", on_wire=False)
        elif more is not None and extras is not None:
            yield from self._form(extras["type"], more["type"], f"{path}.*", inherited)
        if any(target.get("config", {}).get(key) for key in BY_NAME):
            new = {name_read(field, name, old): field for name, field in new.items()}
        for name, field in old.items():
            if name in new:
                yield from self._field(new[name], field, f"{path}.{name}", inherited)
            else:
                yield from self._unknown_field(own[0], extras, f"{path}.{name}")
        for name, field in new.items():
            certain = name in old and self._is_written(source, old[name])
            yield from self._expected_field(field, f"{path}.{name}", name in old, certain, "allow" in own[1])

    def _field(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        yield from self._form(target["type"], source["type"], path, inherited)
        if target["name"] != source["name"]:
            yield self._code.gap(Kind.NAME, path, "is called", (target["name"], source["name"]))

    def _unknown_field(self, own: frozenset[str], extras: Data | None, path: str) -> Iterator[Gap]:
        """Tell what becomes of a field that the target does not have."""
        if "forbid" in own:
            yield Gap(Kind.FIELD_UNKNOWN, path, "is refused")
        elif extras is not None:
            yield Gap(Kind.UNPROVED, path, "is one of the further fields now, whose type need not be its own")
        elif own == frozenset({"ignore"}) and self._role is Role.ARGUMENT:
            yield Gap(Kind.FIELD_UNKNOWN, path, "is ignored", on_wire=False)

    def _expected_field(self, field: Data, path: str, known: bool, certain: bool, anything: bool) -> Iterator[Gap]:
        """Tell what becomes of a field that the source does not have, or not always."""
        if field["required"] and not certain:
            yield Gap(Kind.FIELD_MISSING, path, "is required and may be missing")
        elif not known and anything:
            yield Gap(Kind.UNPROVED, path, "may have been sent as a further field of any type")
        elif not known and self._role is Role.RESULT:
            yield Gap(Kind.FIELD_GONE, path, "is not sent", on_wire=False)

    def _is_written(self, source: Data, field: Data) -> bool:
        """Return whether a field is always there: a model leaves out what is unset, and a foreign sender what has a default."""
        return bool(field["required"]) or (self._role is Role.RESULT and source["kind"] not in ("typed-dict", "model"))

    def _named_tuples(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        new, old = target.get("fields", []), source.get("fields", [])
        for n, field in enumerate(old):
            place = f"{path}.{field['name']}"
            if n >= len(new):
                yield Gap(Kind.FIELD_UNKNOWN, place, "is refused")
                continue
            yield from self._field(new[n], field, place, inherited)
        for n, field in enumerate(new):
            certain = n < len(old) and (old[n]["required"] or self._role is Role.RESULT)
            if field["required"] and not certain:
                yield Gap(Kind.FIELD_MISSING, f"{path}.{field['name']}", "is required and may be missing")

    def _containers(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        names = target["generic"], source["generic"]
        if set(names) <= MAPPINGS:
            yield from self._code.type_gaps(target, source, path)
            (key, value), (old_key, old_value) = key_and_value(target), key_and_value(source)
            yield from self._keys(key, old_key, f"{path}[key]", inherited)
            yield from self._form(value, old_value, f"{path}[]", inherited)
        elif set(names) <= ARRAYS:
            yield from self._arrays(target, source, path, inherited)
        elif names[0] != names[1] or len(target["arguments"]) != len(source["arguments"]):
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")
        else:
            for one, other in zip(target["arguments"], source["arguments"], strict=True):
                yield from self._form(one, other, f"{path}[]", inherited)

    def _keys(self, target: object, source: object, path: str, inherited: Extras) -> Iterator[Gap]:
        """Compare the keys of dictionaries, which are text in JSON whatever they are in Python."""
        inner, outer = split(opened(target, self._target))
        written = split(opened(source, self._source))[0]
        if reads_any_text(inner) and isinstance(written, str) and written in _NUMBERS:
            yield from self._code.type_gaps(inner, written, path)
            yield from self._limits.gaps(outer, {"min_length": 1}, path, written)
        else:
            yield from self._form(target, source, path, inherited)

    def _arrays(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        new, old = target["arguments"], source["arguments"]
        is_fixed, was_fixed = is_fixed_tuple(target), is_fixed_tuple(source)
        if is_fixed and (not was_fixed or len(new) != len(old)):
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")
            return
        yield from self._code.type_gaps(target, source, path)
        for n, other in enumerate(old):
            yield from self._form(new[n if is_fixed else 0], other, f"{path}[{n}]" if is_fixed else f"{path}[]", inherited)

    def _union(self, target: object, source: object, path: str, inherited: Extras) -> Iterator[Gap]:
        inner, constraints = split(opened(source, self._source))
        for member in one_by_one(inner) if is_union(inner) else [constrained(inner, constraints)]:
            for candidate in members(target):
                found = self._taken(candidate, member, path, inherited)
                if found is not None:
                    yield from found
                    break
            else:
                yield from self._not_taken(members(target), member, path, inherited)

    def _taken(self, target: object, source: object, path: str, inherited: Extras) -> list[Gap] | None:
        """Return what code alone notices where one member of a union takes another; None where it does not.

        What is found is kept: what holds, holds wherever the same is assumed, and what fails although all that is assumed
        would hold fails everywhere.
        """
        pair = (key_of(target), key_of(source), inherited)
        if pair in self._failed:
            return None
        mark = self._assumptions.mark()
        found: list[Gap] = []
        for gap in self._form(target, source, path, inherited):
            if gap.on_wire:
                self._failed.add(pair)
                self._assumptions.forget(mark)
                return None
            found.append(gap)
        return found

    def _attempted(self, target: object, source: object, path: str, inherited: Extras) -> list[Gap]:
        """Return why a member of a union is not taken: what is assumed for that says nothing of the others."""
        mark = self._assumptions.mark()
        found = list(self._form(target, source, path, inherited))
        self._assumptions.forget(mark)
        return found

    def _not_taken(self, targets: Sequence[object], member: object, path: str, inherited: Extras) -> Iterator[Gap]:
        """Say why a member of a union is not taken: by the one type that is meant for it, if there is one."""
        sort = sort_of(opened(member, self._source))
        alike = [one for one in targets if sort_of(opened(one, self._target)) == sort]
        if len(alike) == 1:
            yield from self._attempted(alike[0], member, path, inherited)
        else:
            because = _because(self._attempted(targets[0], member, path, inherited), path) if len(targets) == 1 else None
            yield Gap(Kind.UNION, path, f"{type_shown(member)} is not taken", because=because)


def _extra(definition: Data, inherited: frozenset[str]) -> frozenset[str]:
    """Return what may be done with unknown fields. Only a TypedDict that says nothing is like what is around it."""
    usual = {"failure": "forbid", "dataclass": "forbid", "model": "ignore", "pydantic-dataclass": "ignore"}.get(definition["kind"])
    said = definition.get("config", {}).get("extra", usual)
    return inherited if said is None else frozenset({said})


def _because(gaps: Iterable[Gap], path: str) -> Gap | None:
    return next((gap for gap in gaps if gap.on_wire and gap.path != path), None)
