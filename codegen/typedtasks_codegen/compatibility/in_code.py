"""What of a change code alone notices: names, and types that a checker does not let pass. The wire does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from typedtasks_codegen.compatibility.code import is_assignable
from typedtasks_codegen.compatibility.gaps import Gap, Kind, Role
from typedtasks_codegen.compatibility.sides import Side
from typedtasks_codegen.compatibility.types import DEEPEST, STANDS_FOR, Data, is_data, meant_by, name_of, split, type_shown

__all__ = ["InCode"]

_DATA_TYPES: Final = {"enum.StrEnum": "str", "str": "str", "enum.IntEnum": "int", "int": "int"}
"""The bases of enums whose members are values of another type, too."""


class InCode:
    """Compares the types of one contract (the target) with those of another (the source) as callers' code sees them."""

    def __init__(self, target: Side, source: Side, role: Role) -> None:
        self._target: Data = target.types
        self._source: Data = source.types
        self._role = role

    def gap(self, kind: Kind, path: str, what: str, names: tuple[object, object]) -> Gap:
        """Return a gap that code alone notices. `names` are those of target and source, of which results have the new one last."""
        new, old = names if self._role is Role.ARGUMENT else names[::-1]
        return Gap(kind, path, f"{what} {new} instead of {old} in code", on_wire=False)

    def type_gaps(self, target: object, source: object, path: str) -> Iterator[Gap]:
        """Notice where a type is read as another one, and a checker objects."""
        meant = [one.get("meant") if is_data(one) else None for one in (target, source)]
        source = self._data_type_of(source)
        if meant != [None, None] or not is_assignable(target, source):
            shown = [name or type_shown(one) for name, one in zip(meant, (target, source), strict=True)]
            yield self.gap(Kind.TYPE, path, "the type is", (shown[0], shown[1]))

    def _data_type_of(self, form: object) -> object:
        """Return what an enum's members are besides members, and every other type as it is."""
        bases: Sequence[str] = self._source[form["ref"]].get("bases", []) if is_data(form) and "ref" in form else []
        return next((_DATA_TYPES[base] for base in bases if base in _DATA_TYPES), form)

    def stand_in_gaps(self, target: object, source: object, path: str) -> Iterator[Gap]:
        """Notice where code has to make a NewType of what it has passed as it is."""
        wanted, given = self._stand_ins(target, self._target), self._stand_ins(source, self._source)
        roots = [[one for one in found if one[0] == "root"] for found in (wanted, given)]
        if roots[0] != roots[1] or (wanted and wanted[0] not in given):
            yield self.gap(Kind.TYPE, path, "the type is", (type_shown(target), type_shown(source)))

    def _stand_ins(self, form: object, types: Data) -> list[tuple[str, str]]:
        """Return the NewTypes and RootModels that stand for a type, the last first: their kinds, and what they are called."""
        found: list[tuple[str, str]] = []
        inner = split(form)[0]
        for _ in range(DEEPEST):
            if not is_data(inner) or "ref" not in inner or types[inner["ref"]]["kind"] not in STANDS_FOR:
                break
            definition = types[inner["ref"]]
            if definition["kind"] != "alias":
                found.append((definition["kind"], type_shown(inner)))
            inner = split(meant_by(definition, inner))[0]
        return found

    def name_gaps(self, target: object, source: object, path: str) -> Iterator[Gap]:
        """Notice where code knows a type by another name."""
        names = (name_of(target), name_of(source))
        given = (self._name_in_clients(target, self._target), self._name_in_clients(source, self._source))
        if None not in given:
            names = given
        if None not in names and names[0] != names[1] and split(target)[0] != split(source)[0]:
            yield self.gap(Kind.NAME, path, "the type is called", names)

    def _name_in_clients(self, form: object, types: Data) -> str | None:
        inner = split(form)[0]
        return cast("str | None", types[inner["ref"]].get("client_name")) if is_data(inner) and "ref" in inner else None
