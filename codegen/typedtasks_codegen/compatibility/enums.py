"""Whether an enum takes every member of another one."""

from __future__ import annotations

from collections.abc import Iterator

from typedtasks_codegen.compatibility.gaps import Gap, Kind
from typedtasks_codegen.compatibility.types import Data, among, same, value_shown

__all__ = ["enum_gaps"]


def enum_gaps(target: Data, source: Data, path: str) -> Iterator[Gap]:
    """Yield which members of an enum another one does not take, and what else is not as before."""
    new, old = target.get("members", []), source.get("members", [])
    if _is_flag(target) != _is_flag(source) or (_is_flag(target) and target.get("bases") != source.get("bases")):
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
