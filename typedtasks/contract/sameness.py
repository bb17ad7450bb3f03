"""Whether what arrives is what went in: compared in depth, by types and values, also where a class has no `__eq__`.

Two things have to hold. What validation made of a value where it was sent has to arrive, exactly ("exact"). And an instance of a
model or a dataclass, which was complete when it was given, has to arrive as it was given: what is around it may be as validators
make it ("around"), and inside it a type may stand for one that it is, such as a `str` for a member of a `StrEnum` ("inside").
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from pydantic import BaseModel

__all__ = ["Change", "change_between", "is_default"]

Place: TypeAlias = tuple[str | int, ...]
_Mode: TypeAlias = Literal["exact", "around", "inside"]

_MISSING: Final = object()


class Change(NamedTuple):
    """Where two values differ, and how."""

    place: Place
    before: object
    after: object


def change_between(given: object, valid: object, arrived: object) -> Change | None:
    """Return what is another value where it arrives; None where all is as it was. `valid` is `given` as it was validated."""
    return _change((), valid, arrived, "exact") or _change((), given, arrived, "around")


def is_default(value: object, default: object) -> bool:
    """Return whether a field has its default: that is not validated, so that an int may stand there for a float."""
    if isinstance(value, float) and isinstance(default, int):
        return value == cast("object", default)
    return _change((), value, default, "exact") is None


def _change(place: Place, before: object, after: object, mode: _Mode) -> Change | None:
    if before is after:
        return None
    whole: object = before
    if isinstance(before, BaseModel):
        return _of_models(place, before, after, mode)
    if _is_dataclass(before):
        # Any: `fields` wants a dataclass, which it was asked for above.
        return _of_attributes(place, before, after, [field.name for field in dataclasses.fields(cast("Any", before))], mode)
    if type(before) is not type(after) and mode == "exact" and not isinstance(before, PurePath):
        return Change(place, before, after)
    if isinstance(before, Mapping):
        return _of_mappings(place, cast("Mapping[object, object]", before), after, mode)
    if isinstance(before, Set):
        return _of_sets(place, cast("Set[object]", before), after, mode)
    if isinstance(before, Sequence) and not isinstance(before, str | bytes | bytearray | memoryview):
        return _of_sequences(place, cast("Sequence[object]", before), after, mode)
    return _of_others(Change(place, whole, after), mode)


def _of_models(place: Place, before: BaseModel, after: object, mode: _Mode) -> Change | None:
    if not isinstance(after, BaseModel) or type(before) is not type(after):
        return Change(place, before, after)
    if mode == "exact" and not type(before).__pydantic_root_model__ and before.model_fields_set != after.model_fields_set:
        return Change(place, before, after)
    inside: _Mode = "exact" if mode == "exact" else "inside"
    values = [(name, before.__dict__.get(name, _MISSING), after.__dict__.get(name, _MISSING)) for name in type(before).model_fields]
    if mode == "exact":
        values = [one for one in values if one[0] in before.model_fields_set or not is_default(*one[1:])]
    values.append(("", before.__pydantic_extra__, after.__pydantic_extra__))
    if mode != "exact":  # validation makes private attributes anew: they have to come out as they were given
        privates = (before.__pydantic_private__ or {}, after.__pydantic_private__ or {})
        values += [(name, *(one.get(name, _MISSING) for one in privates)) for name in privates[0].keys() | privates[1].keys()]
    return _first(_change((*place, name) if name else place, one, two, inside) for name, one, two in values)


def _of_attributes(place: Place, before: object, after: object, names: Iterable[str], mode: _Mode) -> Change | None:
    if type(before) is not type(after):
        return Change(place, before, after)
    inside: _Mode = "exact" if mode == "exact" else "inside"
    return _first(
        _change((*place, name), getattr(before, name, _MISSING), getattr(after, name, _MISSING), inside) for name in names
    )


def _of_mappings(place: Place, before: Mapping[object, object], after: object, mode: _Mode) -> Change | None:
    if isinstance(after, BaseModel) and mode == "around":  # a dictionary in the place of a model
        names = {name: field.validation_alias or name for name, field in type(after).model_fields.items()}
        found = {name: before.get(name, before.get(alias, _MISSING)) for name, alias in names.items() if isinstance(alias, str)}
        given = {name: value for name, value in found.items() if value is not _MISSING}
        return _first(_change((*place, name), value, getattr(after, name, None), mode) for name, value in given.items())
    if not isinstance(after, Mapping):
        return None if mode == "around" else Change(place, before, after)
    other = cast("Mapping[object, object]", after)
    if mode == "around":
        partners = [(key, key) for key in before if key in other]
        if len(before) == len(other):  # a validator made others of the keys, or they are NaN
            partners += [(one, two) for one, two in zip(before, other, strict=True) if one not in other]
        return _first(
            _change((*place, _step(one)), one, two, mode) or _change((*place, _step(one)), before[one], other[two], mode)
            for one, two in partners
        )
    makes_another = isinstance(other, defaultdict) and getattr(before, "default_factory", None) != other.default_factory
    if len(before) != len(other) or makes_another:
        return Change(place, before, after)
    pairs = zip(before.items(), other.items(), strict=True)
    return _first(
        _change((*place, _step(key)), key, another, mode) or _change((*place, _step(key)), one, two, mode)
        for (key, one), (another, two) in pairs
    )


def _of_sets(place: Place, before: Set[object], after: object, mode: _Mode) -> Change | None:
    if not isinstance(after, Set):
        return None if mode == "around" else Change(place, before, after)
    # Equal members are compared with each other; what has none is compared in an order.
    partners = {member: member for member in cast("Set[object]", after)}
    pairs = [(member, partners.pop(member)) for member in before if member in partners]
    rest = sorted((member for member in before if not any(member is one for one, _ in pairs)), key=_order)
    others = sorted(partners.values(), key=_order)
    matched = _first(_change(place, one, two, mode) for one, two in pairs)
    return matched or _of_items(place, rest, others, mode, Change(place, before, after))


def _of_sequences(place: Place, before: Sequence[object], after: object, mode: _Mode) -> Change | None:
    if not isinstance(after, Sequence) or isinstance(after, str | bytes):
        return None if mode == "around" else Change(place, before, after)
    if isinstance(after, deque) and getattr(before, "maxlen", None) != after.maxlen:
        return Change(place, before, after)
    return _of_items(place, before, cast("Sequence[object]", after), mode, Change(place, before, after))


def _of_items(place: Place, before: Sequence[object], after: Sequence[object], mode: _Mode, whole: Change) -> Change | None:
    if len(before) != len(after):
        return None if mode == "around" else whole
    return _first(
        _change((*place, number), one, other, mode) for number, (one, other) in enumerate(zip(before, after, strict=True))
    )


def _of_others(pair: Change, mode: _Mode) -> Change | None:
    place, before, after = pair
    if before is _MISSING or after is _MISSING:
        return pair
    kind = type(after)
    if type(before) is not kind:
        becomes = isinstance(before, kind) or (isinstance(before, int) and kind is float)
        if mode == "around" and not becomes:
            return None  # a validator made something else of it
        same = becomes and before == after
    elif mode == "around":
        return None  # it was compared as it was validated
    elif kind in _COMPARED:
        same = _COMPARED[kind](before, after)
    elif kind.__eq__ is not object.__eq__:
        same = bool(before == after)
    else:
        return _of_attributes(place, before, after, _attributes(before) | _attributes(after), mode)
    return None if same else pair


def _is_dataclass(value: object) -> bool:
    return hasattr(type(value), "__dataclass_fields__")


def _attributes(value: object) -> set[str]:
    """Return the names of what a value consists of, where its class says nothing of what is equal."""
    slots = {name for owner in type(value).__mro__ for name in cast("Iterable[str]", _as_tuple(getattr(owner, "__slots__", ())))}
    return {*getattr(value, "__dict__", ()), *slots} - {"__weakref__", "__dict__"}


def _as_tuple(slots: object) -> object:
    return (slots,) if isinstance(slots, str) else slots


def _order(member: object) -> tuple[str, str]:
    return type(member).__name__, repr(member)


def _step(key: object) -> str | int:
    return key if isinstance(key, str | int) else str(key)


def _first(changes: Iterable[Change | None]) -> Change | None:
    return next((change for change in changes if change is not None), None)


# Any: each is called with two values of its own type.
def _same_number(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)  # -0.0 is not 0.0, and NaN is NaN


def _same_decimal(one: Any, other: Any) -> bool:
    return bool(one.as_tuple() == other.as_tuple())


# Any: as above.
def _same_moment(one: Any, other: Any) -> bool:
    """Return whether two have the same clock and the same offset: the name of a zone is not sent."""
    if (one.tzinfo is None) != (other.tzinfo is None) or one.utcoffset() != other.utcoffset():
        return False
    fold_counts = one.utcoffset() is None
    return bool(one.replace(tzinfo=None) == other.replace(tzinfo=None) and (not fold_counts or one.fold == other.fold))


# Any: as above.
_COMPARED: Final[Mapping[type, Callable[[Any, Any], bool]]] = {
    float: _same_number,
    complex: _same_number,
    Decimal: _same_decimal,
    datetime: _same_moment,
    time: _same_moment,
}
