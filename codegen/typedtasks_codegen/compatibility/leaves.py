"""Whether a type takes every value of another one where both have no types inside them: atoms and enums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from typedtasks_codegen.compatibility.gaps import Gap, Kind
from typedtasks_codegen.compatibility.types import Data, among, is_data, same, type_shown, value_shown

__all__ = ["atom_gaps", "enum_gaps"]

_WIDER: Final = {
    **dict.fromkeys(("pydantic.PastDate", "pydantic.FutureDate"), "datetime.date"),
    **{f"pydantic.{sort}Datetime": "datetime.datetime" for sort in ("Aware", "Naive", "Past", "Future")},
    **{f"pydantic.UUID{version}": "uuid.UUID" for version in (1, 3, 4, 5, 6, 7, 8)},
}
"""Types whose values are all values of a wider one, written in the same way."""


def atom_gaps(target: object, source: object, path: str) -> Iterator[Gap]:
    """Yield why one type is not taken as another one, of which at least one has no parts."""
    if (target, source) == ("float", "int") or (isinstance(source, str) and _WIDER.get(source) == target):
        return
    if source == "None" and is_data(target) and None in target.get("literal", ()):
        return
    if isinstance(target, str) and is_data(source) and "literal" in source:
        values = source["literal"]
        if target in ("str", "int", "bool") and all(type(value).__name__ == target for value in values):
            return
    yield Gap(Kind.TYPE, path, f"{type_shown(source)} is not taken as {type_shown(target)}")


def enum_gaps(target: Data, source: Data, path: str) -> Iterator[Gap]:
    """Yield which members of an enum another one does not take, and what else is not as before."""
    new, old = target.get("members", []), source.get("members", [])
    if _is_flag(target) != _is_flag(source) or target.get("bases") != source.get("bases"):
        yield Gap(Kind.UNPROVED, path, f"the enum {target['name']} is made of something else than before")
    if target.get("config") != source.get("config"):
        yield Gap(Kind.UNPROVED, path, f"the flags {target['name']} have another boundary")
    if "_missing_" in source.get("does_not_travel", []) and "_missing_" not in target.get("does_not_travel", []):
        yield Gap(Kind.UNPROVED, path, f"the _missing_ of {source['name']}, which finds members for further values, is gone")
    values = [member["value"] for member in new]
    missing = [member for member in old if not among(member["value"], values)]
    if missing:
        shown = ", ".join(f"{member['name']} ({value_shown(member['value'])})" for member in missing)
        yield Gap(Kind.VALUE, path, f"{shown} {'is' if len(missing) == 1 else 'are'} not taken")
    names = {member["name"]: member["value"] for member in new}
    for member in old:
        if member not in missing and (member["name"] not in names or not same(names[member["name"]], member["value"])):
            yield Gap(Kind.NAME, path, f"{member['name']} has another name in code", on_wire=False)


def _is_flag(definition: Data) -> bool:
    return any(base in ("enum.Flag", "enum.IntFlag") for base in definition.get("bases", []))
