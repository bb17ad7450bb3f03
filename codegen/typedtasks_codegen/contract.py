"""The contract: all tasks of a broker as plain frozen data, and its canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from pydantic import JsonValue

from typedtasks_codegen.closures import closures, digest_of, named_by
from typedtasks_codegen.forms import Form, Value, as_json
from typedtasks_codegen.naming import GivenNames, task_names, type_names

__all__ = [
    "FORMAT",
    "Contract",
    "FieldDefinition",
    "Kind",
    "ParameterDefinition",
    "RetryPolicy",
    "TaskContract",
    "TypeDefinition",
    "TypeParameter",
]

FORMAT: Final = 2
"""The version of the format. A reader refuses every other one."""

_ASIDE: Final = ("doc", "does_not_travel", "client_name")
"""What a type says that does not go over the wire."""

Kind: TypeAlias = Literal[
    "model", "root", "dataclass", "pydantic-dataclass", "typed-dict", "named-tuple", "enum", "new-type", "alias", "failure"
]


@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    """One parameter of a task. `default` is the Python value, `wire_default` the same as JSON; both None where it is required."""

    name: str
    kind: str
    form: Form
    default: Value | None = None
    wire_default: Value | None = None

    def as_json(self) -> JsonValue:
        """Return it as it stands in `contract.json`."""
        written: dict[str, JsonValue] = {"name": self.name, "kind": self.kind, "type": as_json(self.form)}
        return {**written, **_default(self.default, self.wire_default)}


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """One field of a type."""

    name: str
    form: Form
    default: Value | None = None
    wire_default: Value | None = None
    required: bool = True
    keyword_only: bool = False

    def as_json(self) -> JsonValue:
        """Return it as it stands in `contract.json`."""
        written: dict[str, JsonValue] = {"name": self.name, "type": as_json(self.form), "required": self.required}
        if self.keyword_only:
            written["keyword_only"] = True
        return {**written, **_default(self.default, self.wire_default)}


@dataclass(frozen=True, slots=True)
class TypeParameter:
    """A type parameter of a generic type, with what may stand for it."""

    name: str
    bound: Form | None = None
    constraints: tuple[Form, ...] = ()
    default: Form | None = None

    def as_json(self) -> JsonValue:
        """Return it as it stands in `contract.json`: its name alone where anything may stand for it."""
        written: dict[str, JsonValue] = {} if self.bound is None else {"bound": as_json(self.bound)}
        if self.constraints:
            written["constraints"] = [as_json(form) for form in self.constraints]
        if self.default is not None:
            written["default"] = as_json(self.default)
        return {"name": self.name, **written} if written else self.name


@dataclass(frozen=True, slots=True)
class TypeDefinition:
    """A type that the service defines."""

    id: str
    kind: Kind
    name: str
    doc: str = ""
    fields: tuple[FieldDefinition, ...] = ()
    form: Form | None = None
    """What a NewType, an alias or a RootModel stands for."""
    members: tuple[tuple[str, Value], ...] = ()
    """Of an enum: names and values."""
    bases: tuple[str, ...] = ()
    """Of an enum: what it is made of."""
    parameters: tuple[TypeParameter, ...] = ()
    config: tuple[tuple[str, Value], ...] = ()
    untravelled: tuple[str, ...] = ()
    """What a client cannot have: validators, computed fields and the like."""

    def as_json(self, client_name: str = "") -> JsonValue:
        """Return it as it stands in `contract.json`: what is empty is left out."""
        written: dict[str, JsonValue] = {"kind": self.kind, "name": self.name}
        optional: dict[str, JsonValue] = {
            "client_name": client_name,
            "doc": self.doc,
            "fields": [field.as_json() for field in self.fields],
            "members": [{"name": name, "value": json.loads(value)} for name, value in self.members],
            "bases": list(self.bases),
            "parameters": [parameter.as_json() for parameter in self.parameters],
            "config": {key: json.loads(value) for key, value in self.config},
            "does_not_travel": list(self.untravelled),
        }
        if self.form is not None:
            written["type"] = as_json(self.form)
        return {**written, **{key: value for key, value in optional.items() if value}}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed task is run again: numbers in seconds, exceptions by name."""

    max_attempts: int
    backoff: float
    factor: float
    max_delay: float
    jitter: float
    on: tuple[str, ...] | None
    asks_exception: bool
    """Whether a function of the service looks at the exception first."""

    def as_json(self) -> JsonValue:
        """Return it as it stands in `contract.json`."""
        return {
            "max_attempts": self.max_attempts,
            "backoff": self.backoff,
            "factor": self.factor,
            "max_delay": self.max_delay,
            "jitter": self.jitter,
            "on": None if self.on is None else list(self.on),
            "asks_exception": self.asks_exception,
        }


@dataclass(frozen=True, slots=True)
class TaskContract:
    """One task."""

    name: str
    doc: str
    parameters: tuple[ParameterDefinition, ...]
    result: Form
    raises: tuple[str, ...]
    envelope_hash: str
    """What calls carry as `contract`."""
    queue: str
    priority: str
    timeout: float
    soft_timeout: float
    result_ttl_ms: int
    max_payload: int
    max_result: int
    retry: RetryPolicy | None
    deprecated: str = ""
    untravelled: tuple[str, ...] = ()

    def as_json(self, types: Mapping[str, str], client_name: str = "") -> JsonValue:
        """Return it as it stands in `contract.json`. The hash covers what goes over the wire: not docs, not options.

        `types` has a digest of each type with all that it leads to.
        """
        parameters: list[JsonValue] = [parameter.as_json() for parameter in self.parameters]
        result, raises = as_json(self.result), list[JsonValue](self.raises)
        wire: dict[str, JsonValue] = {"parameters": parameters, "result": result, "raises": raises}
        hashed = {"name": self.name, **wire, "types": {id: types[id] for id in named_by(wire, types)}}
        written: dict[str, JsonValue] = {
            **wire,
            "doc": self.doc,
            "queue": self.queue,
            "priority": self.priority,
            "timeout": self.timeout or None,
            "soft_timeout": self.soft_timeout or None,
            "result_ttl_ms": self.result_ttl_ms,
            "max_payload": self.max_payload,
            "max_result": self.max_result,
            "retry": None if self.retry is None else self.retry.as_json(),
            "hash": f"sha256:{digest_of(hashed)}",
            "envelope_hash": self.envelope_hash,
        }
        if client_name:
            written["client_name"] = client_name
        if self.deprecated:
            written["deprecated"] = self.deprecated
        return {**written, "does_not_travel": list(self.untravelled)} if self.untravelled else written


@dataclass(frozen=True, slots=True)
class Contract:
    """All tasks of a broker and the types that they use, both sorted by name."""

    tasks: tuple[TaskContract, ...]
    types: tuple[TypeDefinition, ...]
    reserved: tuple[str, ...] = ()
    """The names of retired tasks, sorted."""
    given: GivenNames = field(default_factory=GivenNames)
    """What clients call tasks and types already."""

    def task_names(self) -> dict[str, str]:
        """Return each task's attribute of a client. Raises `GenerationError` where a client could not tell two tasks apart."""
        return task_names((task.name for task in self.tasks), self.given)

    def type_names(self) -> dict[str, str]:
        """Return the name of each type in a client by its id."""
        return type_names(self.types, self.given)

    def as_json(self) -> JsonValue:
        """Return the contract as data. Raises `GenerationError` where a client could not tell two tasks apart."""
        return self._written(self.task_names(), self.type_names())

    def version(self) -> str:
        """Return what tells documents that are made of this contract from those of others."""
        return digest_of(self._written({}, {}))[:12]

    def _written(self, task_names: Mapping[str, str], type_names: Mapping[str, str]) -> dict[str, JsonValue]:
        types = {definition.id: definition.as_json(type_names.get(definition.id, "")) for definition in self.types}
        digests = closures(types, without=_ASIDE)
        tasks = {task.name: task.as_json(digests, task_names.get(task.name, "")) for task in self.tasks}
        written: dict[str, JsonValue] = {"format": FORMAT, "tasks": tasks, "types": types}
        return {**written, "reserved": list(self.reserved)} if self.reserved else written

    def text(self) -> str:
        """Return `contract.json`: the same bytes for the same tasks and given names, on every machine and in every process."""
        return json.dumps(self.as_json(), indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n"


def _default(default: Value | None, wire: Value | None) -> dict[str, JsonValue]:
    if default is None or wire is None:
        return {}
    written: dict[str, JsonValue] = {"default": json.loads(wire)}
    return written if default == wire else {**written, "python_default": json.loads(default)}
