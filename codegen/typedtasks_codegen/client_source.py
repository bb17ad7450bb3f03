"""The signatures of a client's tasks as source, for its stub and for its loader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typedtasks_codegen.contract import Contract, ParameterDefinition, TaskContract
from typedtasks_codegen.expressions import Expressions, docstring, text

__all__ = ["ClientSource", "TaskRow"]

_INDENT = "    "


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What a template needs of one task. Texts are Python source."""

    attribute: str
    name: str
    signature: str
    doc: str
    queue: str
    priority: str
    result_ttl_ms: int
    raises: Sequence[str]
    failures: str
    deprecated: str
    """What to use instead, as Python source; empty for a task that is not deprecated."""


class ClientSource:
    """Writes each task as a row of a template; `stub` for the `.pyi`, otherwise for the loader."""

    def __init__(self, contract: Contract, types: Mapping[str, str], attributes: Mapping[str, str], *, stub: bool) -> None:
        self._stub = stub
        self._expressions = Expressions(types, contract.types, "_models." if stub else "", public=not stub)
        self._expressions.shadowed = frozenset(attributes.values()) if stub else frozenset()
        self._expressions.known("typedtasks.client.RemoteTask")
        self.rows = [self._row(task, attributes[task.name]) for task in contract.tasks]

    @property
    def names_own(self) -> bool:
        """Whether the rows name types of the service."""
        return self._expressions.names_own

    @property
    def modules(self) -> list[str]:
        """Return the modules that the rows need."""
        return sorted(self._expressions.modules)

    def _row(self, task: TaskContract, attribute: str) -> TaskRow:
        raises = [self._expressions.own(id) for id in task.raises]
        return TaskRow(
            attribute=attribute,
            name=text(task.name),
            signature=self._signature(task, attribute),
            doc=task.doc,
            queue=text(task.queue),
            priority=task.priority,
            result_ttl_ms=task.result_ttl_ms,
            raises=raises,
            failures=self._failures(raises),
            deprecated=text(task.deprecated) if task.deprecated else "",
        )

    def _failures(self, raises: Sequence[str]) -> str:
        return " | ".join(raises) or (self._expressions.known("typing.Never") if self._stub else "")

    def _signature(self, task: TaskContract, attribute: str) -> str:
        parameters = self._parameters(task.parameters, attribute)
        result = self._expressions.form(task.result)
        indent, name = (_INDENT, attribute) if self._stub else ("", f"_call_{attribute}")
        head, tail = f"{indent}async def {name}(", f") -> {result}:"
        constants = "" if self._stub else self._constants(task, attribute)
        doc = f"Deprecated. {task.deprecated}\n\n{task.doc}".rstrip() if task.deprecated and self._stub else task.doc
        return f"{constants}{head}{', '.join(parameters)}{tail}\n{docstring(doc, indent + _INDENT)}"

    def _constants(self, task: TaskContract, attribute: str) -> str:
        """Return the defaults that are no constants: a signature that makes them itself would look like a mistake."""
        return "".join(
            f"{_constant(attribute, one)}: {self._expressions.form(one.form)} = {self._expressions.value(one.default, one.form)}\n"
            for one in task.parameters
            if one.default is not None and not self._expressions.is_plain(one.default, one.form)
        )

    def _parameters(self, parameters: Sequence[ParameterDefinition], attribute: str) -> list[str]:
        shown: list[str] = []
        if self._stub:
            shown.append("self_" if any(parameter.name == "self" for parameter in parameters) else "self")
        kinds = [parameter.kind for parameter in parameters]
        star = "var_positional" in kinds
        for place, parameter in enumerate(parameters):
            if parameter.kind == "keyword_only" and not star:
                shown.append("*")
                star = True
            shown.append(self._parameter(parameter, attribute))
            if parameter.kind == "positional_only" and "positional_only" not in kinds[place + 1 :]:
                shown.append("/")
        if self._stub and "positional_only" not in kinds:
            shown.insert(1, "/")
        return shown

    def _parameter(self, parameter: ParameterDefinition, attribute: str) -> str:
        stars = {"var_positional": "*", "var_keyword": "**"}.get(parameter.kind, "")
        shown = f"{stars}{parameter.name}: {self._expressions.form(parameter.form)}"
        if parameter.default is None:
            return shown
        if not self._expressions.is_plain(parameter.default, parameter.form):
            return f"{shown} = {'...' if self._stub else _constant(attribute, parameter)}"
        return f"{shown} = {self._expressions.value(parameter.default, parameter.form)}"


def _constant(attribute: str, parameter: ParameterDefinition) -> str:
    return f"_default_{attribute}_{parameter.name}"
