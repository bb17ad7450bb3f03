"""From a broker to its contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar, cast

from pydantic.errors import PydanticUserError

from typedtasks import Broker, DefinitionError, Retry
from typedtasks.clock import seconds
from typedtasks.contract.signature import resolve_types
from typedtasks.task import AnyTask
from typedtasks_codegen.annotations import read_form, tidy_doc
from typedtasks_codegen.contract import Contract, ParameterDefinition, RetryPolicy, TaskContract
from typedtasks_codegen.defaults import read_default
from typedtasks_codegen.definitions import Definitions
from typedtasks_codegen.forms import Form
from typedtasks_codegen.metadata import Facts
from typedtasks_codegen.naming import GivenNames
from typedtasks_codegen.refusal import GenerationError, Inexpressible

__all__ = ["read_contract"]

T = TypeVar("T")


def read_contract(broker: Broker, names: Mapping[object, str] | None = None, given: GivenNames | None = None) -> Contract:
    """Return the contract of all tasks of a broker.

    `names` gives types an id other than that of their module and name; `given` is what clients call them already. Raises
    `GenerationError`, which names the task, the parameter and the reason, for what no client could have.
    """
    definitions = Definitions(names)
    tasks: list[TaskContract] = []
    for _, task in sorted(broker.tasks.items()):
        tasks.append(_read_task(task, definitions))
    return Contract(tuple(tasks), definitions.define_all(), broker.reserved, given or GivenNames())


def _read_task(task: AnyTask, definitions: Definitions) -> TaskContract:
    try:
        task.boundary.check()
        hints = resolve_types(task.function, task.name)
    except DefinitionError as error:
        raise GenerationError(str(error)) from None
    facts, definition = Facts(), task.definition
    parameters = [
        _refusing(
            f"{task.name}: the parameter {name!r}",
            partial(_read_parameter, parameter, hints[name], definitions, facts),
        )
        for name, parameter in task.boundary.signature.parameters.items()
    ]
    sent = len(facts.untravelled)
    result = _refusing(f"{task.name}: the result", partial(_read_defined, hints["return"], definitions, facts))
    facts.say_where(sent, "the result")
    raises = [_refusing(f"{task.name}: raises", partial(definitions.id_of, kind)) for kind in definition.raises]
    _refusing(f"{task.name}: raises", definitions.define_all)
    return TaskContract(
        name=task.name,
        doc=tidy_doc(task.function.__doc__),
        parameters=tuple(parameters),
        result=result,
        raises=tuple(raises),
        envelope_hash=task.contract(),
        queue=definition.queue,
        priority=definition.priority.name.lower(),
        timeout=definition.timeout,
        soft_timeout=definition.soft_timeout,
        result_ttl_ms=definition.result_ttl_ms,
        max_payload=definition.max_payload,
        max_result=definition.max_result,
        retry=None if definition.retry is None else _read_retry(definition.retry),
        deprecated=definition.deprecated,
        untravelled=tuple(sorted(set(facts.untravelled))),
    )


def _read_parameter(parameter: inspect.Parameter, hint: object, definitions: Definitions, facts: Facts) -> ParameterDefinition:
    begin = len(facts.untravelled)
    form = _read_defined(hint, definitions, facts)
    facts.say_where(begin, parameter.name)
    kind = parameter.kind.name.lower()
    if parameter.default is parameter.empty:
        return ParameterDefinition(parameter.name, kind, form)
    return ParameterDefinition(parameter.name, kind, form, *read_default(parameter.default, hint, definitions.id_of))


def _read_defined(hint: object, definitions: Definitions, facts: Facts) -> Form:
    """Return a type as data, once all types that it uses are defined."""
    form = read_form(hint, definitions.id_of, facts)
    definitions.define_all()
    return form


def _read_retry(retry: Retry) -> RetryPolicy:
    on = retry.on if retry.on is None or isinstance(retry.on, tuple) else (retry.on,)
    return RetryPolicy(
        max_attempts=retry.max_attempts,
        backoff=seconds(retry.backoff, "Retry.backoff"),
        factor=float(retry.factor),
        max_delay=seconds(retry.max_delay, "Retry.max_delay"),
        jitter=float(retry.jitter),
        on=None if on is None else tuple(sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in on)),
        asks_exception=cast("object", retry.when) is not None,
    )


def _refusing(where: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except Inexpressible as reason:
        raise GenerationError(f"{where}: {reason}.") from None
    except PydanticUserError as error:
        raise GenerationError(f"{where}: {error.message}") from None
