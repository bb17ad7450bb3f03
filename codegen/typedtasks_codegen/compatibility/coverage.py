"""Whether a type takes every value of another, by the data of two contracts. What cannot be proved is a gap, never a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, cast

from typedtasks_codegen.compatibility.assumptions import Assumptions
from typedtasks_codegen.compatibility.bounds import AT_LEAST, AT_MOST, DIGITS, digits_fit, implied
from typedtasks_codegen.compatibility.gaps import Gap, Kind, Role
from typedtasks_codegen.compatibility.leaves import atom_gaps, enum_gaps
from typedtasks_codegen.compatibility.sides import Side
from typedtasks_codegen.compatibility.types import (
    CODE,
    CONFIG,
    CONFIG_WITHOUT_EFFECT,
    TWICE,
    WITHOUT_EFFECT,
    Data,
    among,
    besides,
    constrained,
    filled,
    is_data,
    is_union,
    joined,
    key_of,
    members,
    name_of,
    one_by_one,
    refusing,
    sort_of,
    split,
    type_shown,
    value_shown,
    values_shown,
)

__all__ = ["Coverage"]


_OBJECTS: Final = frozenset({"model", "dataclass", "pydantic-dataclass", "typed-dict", "failure"})
_TRANSPARENT: Final = frozenset({"new-type", "alias", "root"})
_BY_NAME: Final = ("populate_by_name", "validate_by_name")
_CHANGING: Final = frozenset({"strip_whitespace", "to_lower", "to_upper", "coerce_numbers_to_str"})
"""Constraints that change a value before the others look at it."""
_DEEPEST: Final = 400

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
        if path.count(".") + path.count("[") > _DEEPEST:
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
        target, outer = split(self._opened(target, self._target))
        if outer:
            yield from self._constraints(outer, split(self._opened(source, self._source))[1], path)
        yield from self._named(target, source, path)
        if is_union(target):
            yield from self._union(target, source, path, inherited)
        elif is_union(inner := split(self._opened(source, self._source))[0]):
            yield from self._union({"union": [target]}, source, path, inherited)
        else:
            yield from self._single(target, inner, path, inherited)

    def _single(self, target: object, source: object, path: str, inherited: Extras) -> Iterator[Gap]:
        if target == source and isinstance(target, str):
            return
        if isinstance(target, str) or isinstance(source, str):
            yield from atom_gaps(target, source, path)
            return
        one, other = cast("Data", target), cast("Data", source)
        if "literal" in one and "literal" in other:
            missing = [value for value in other["literal"] if not among(value, one["literal"])]
            if missing:
                yield Gap(Kind.VALUE, path, f"{values_shown(missing)} {'is' if len(missing) == 1 else 'are'} not taken")
        elif "ref" in one and "ref" in other:
            yield from self._references(one, other, path, inherited)
        elif "generic" in one and "generic" in other:
            yield from self._containers(one, other, path, inherited)
        else:
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")

    def _references(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        new, old = self._target[target["ref"]], self._source[source["ref"]]
        new = filled(new, target.get("arguments", []))
        old = filled(old, source.get("arguments", []))
        yield from self._definition(new, old, path, inherited)

    def _definition(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        kinds = (target["kind"], source["kind"])
        yield from self._validators(target, source, path)
        if kinds == ("enum", "enum"):
            yield from enum_gaps(target, source, path)
        elif kinds == ("named-tuple", "named-tuple"):
            yield from self._named_tuples(target, source, path, inherited)
        elif set(kinds) <= _OBJECTS:
            if kinds[0] != kinds[1]:
                yield self._in_code(Kind.TYPE, path, "the type is a", kinds)
            yield from self._objects(target, source, path, inherited)
        else:
            yield Gap(Kind.TYPE, path, f"the {kinds[1]} {source['name']} is not taken as the {kinds[0]} {target['name']}")

    def _objects(self, target: Data, source: Data, path: str, inherited: Extras) -> Iterator[Gap]:
        yield from self._configs(target.get("config", {}), source.get("config", {}), path)
        new, old = _by_wire_name(target), _by_wire_name(source)
        extras = new.pop("__pydantic_extra__", None)
        more = old.pop("__pydantic_extra__", None)
        own = (_extra(target, inherited[0]), _extra(source, inherited[1]))
        inherited = (inherited[0] | own[0], inherited[1] | own[1])
        refused = {"allow", "ignore"} if self._role is Role.ARGUMENT else {"allow"}
        if own[0] != own[1] and "forbid" in own[0] and own[1] & refused:
            yield Gap(Kind.FIELD_UNKNOWN, path, "further fields are refused")
        elif "allow" in own[1] and "allow" not in own[0]:
            yield Gap(Kind.FIELD_UNKNOWN, path, "further fields are ignored", on_wire=False)
        elif more is not None and extras is not None:
            yield from self._form(extras["type"], more["type"], f"{path}.*", inherited)
        by_name = any(source.get("config", {}).get(key) for key in _BY_NAME)
        for name, field in old.items():
            if name in new:
                yield from self._field(new[name], field, f"{path}.{name}", inherited, by_name=by_name)
            else:
                yield from self._unknown_field(own[0], extras, f"{path}.{name}")
        for name, field in new.items():
            certain = name in old and self._is_written(source, old[name])
            yield from self._expected_field(field, f"{path}.{name}", name in old, certain, "allow" in own[1])

    def _field(self, target: Data, source: Data, path: str, inherited: Extras, *, by_name: bool = False) -> Iterator[Gap]:
        yield from self._form(target["type"], source["type"], path, inherited)
        if target["name"] != source["name"]:
            yield self._in_code(Kind.NAME, path, "is called", (target["name"], source["name"]))
            if by_name:
                yield Gap(Kind.UNPROVED, path, "may have been sent under its name instead of its alias")

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
        new, old = target["arguments"], source["arguments"]
        name = target["generic"]
        varied, fixed = target.get("variadic", False), not source.get("variadic", False)
        if name == source["generic"] == "tuple" and varied and fixed:
            new = list(new) * len(old)
        elif name != source["generic"] or len(new) != len(old) or varied == fixed:
            yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")
            return
        for n, (one, other) in enumerate(zip(new, old, strict=True)):
            mark = "[key]" if len(new) == 2 and name != "tuple" and n == 0 else "[]" if name != "tuple" or varied else f"[{n}]"
            yield from self._form(one, other, path + mark, inherited)

    def _union(self, target: object, source: object, path: str, inherited: Extras) -> Iterator[Gap]:
        inner, constraints = split(self._opened(source, self._source))
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
        sort = sort_of(self._opened(member, self._source))
        alike = [one for one in targets if sort_of(self._opened(one, self._target)) == sort]
        if len(alike) == 1:
            yield from self._attempted(alike[0], member, path, inherited)
        else:
            because = _because(self._attempted(targets[0], member, path, inherited), path) if len(targets) == 1 else None
            yield Gap(Kind.UNION, path, f"{type_shown(member)} is not taken", because=because)

    def _named(self, target: object, source: object, path: str) -> Iterator[Gap]:
        """Notice where code knows a type by another name."""
        names = (name_of(target), name_of(source))
        given = (self._name_in_clients(target, self._target), self._name_in_clients(source, self._source))
        if None not in given:
            names = given
        if None not in names and names[0] != names[1] and split(target)[0] != split(source)[0]:
            yield self._in_code(Kind.NAME, path, "the type is called", names)

    def _name_in_clients(self, form: object, types: Data) -> str | None:
        inner = split(form)[0]
        return cast("str | None", types[inner["ref"]].get("client_name")) if is_data(inner) and "ref" in inner else None

    def _in_code(self, kind: Kind, path: str, what: str, names: tuple[object, object]) -> Gap:
        """Return a gap that code alone notices. `names` are those of target and source, of which results have the new one last."""
        new, old = names if self._role is Role.ARGUMENT else names[::-1]
        return Gap(kind, path, f"{what} {new} instead of {old} in code", on_wire=False)

    def _opened(self, form: object, types: Data) -> object:
        """Return a type with NewTypes, aliases and RootModels replaced by what they stand for."""
        inner, constraints = split(form)
        seen = 0
        while is_data(inner) and "ref" in inner:
            definition = types[inner["ref"]]
            if definition["kind"] not in _TRANSPARENT or seen > _DEEPEST:
                break
            seen += 1
            meant = filled(definition, inner.get("arguments", []))
            inner, further = split(meant["fields"][0]["type"] if definition["kind"] == "root" else meant["type"])
            constraints = joined(joined(constraints, further), besides(definition))
        return constrained(inner, constraints)

    def _constraints(self, target: Data, source: Data, path: str) -> Iterator[Gap]:
        for key, value in sorted(target.items()):
            if key in WITHOUT_EFFECT or implied(key, value, source) or (key in DIGITS and digits_fit(target, source)):
                continue
            if key == CODE:
                known = source.get(CODE, [])
                yield from (self._refusing(name, path) for name in value if name not in known)
            elif key == CONFIG:
                yield Gap(
                    Kind.UNPROVED, path, f"{value_shown(value)} where the other version has {value_shown(source.get(CONFIG, {}))}"
                )
            elif key == TWICE or (key == "discriminator" and key not in source):
                yield Gap(Kind.UNPROVED, path, "a further constraint or discriminator cannot be compared")
            else:
                known = f"have {key}={value_shown(source[key])}" if key in source else "need not be so"
                yield Gap(Kind.CONSTRAINT, path, f"{key}={value_shown(value)} is asked for, and values {known}")
        for key in sorted(_CHANGING & (set(source) - set(target))):
            if not set(target) <= WITHOUT_EFFECT:
                yield Gap(Kind.UNPROVED, path, f"{key} changed values before they were looked at, and does not any more")

    def _configs(self, target: Data, source: Data, path: str) -> Iterator[Gap]:
        for key in sorted(set(target) | set(source)):
            if key in CONFIG_WITHOUT_EFFECT or target.get(key) == source.get(key):
                continue
            if key in target and implied(key, target[key], source):
                continue
            if key not in target and (key in AT_LEAST or key in AT_MOST):
                continue
            yield Gap(Kind.UNPROVED, path, f"{_setting(key, target)} where the other version has {_setting(key, source)}")

    def _validators(self, target: Data, source: Data, path: str) -> Iterator[Gap]:
        known = refusing(source)
        yield from (self._refusing(name, path) for name in refusing(target) if name not in known)

    def _refusing(self, name: str, path: str) -> Gap:
        return Gap(Kind.VALIDATOR, path, f"the {name} may refuse what it has not seen")


def _extra(definition: Data, inherited: frozenset[str]) -> frozenset[str]:
    """Return what may be done with unknown fields. Only a TypedDict that says nothing is like what is around it."""
    usual = {"failure": "forbid", "dataclass": "forbid", "model": "ignore", "pydantic-dataclass": "ignore"}.get(definition["kind"])
    said = definition.get("config", {}).get("extra", usual)
    return inherited if said is None else frozenset({said})


def _by_wire_name(definition: Data) -> dict[str, Data]:
    fields: dict[str, Data] = {}
    for field in definition.get("fields", []):
        constraints = split(field["type"])[1]
        fields[str(constraints.get("alias", field["name"]))] = field
    return fields


def _setting(key: str, config: Data) -> str:
    return f"{key}={value_shown(config[key])}" if key in config else f"no {key}"


def _because(gaps: Iterable[Gap], path: str) -> Gap | None:
    return next((gap for gap in gaps if gap.on_wire and gap.path != path), None)
