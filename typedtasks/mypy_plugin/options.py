"""Options that are written as literals: durations, names, and what contradicts.

What is possible, the library itself says (`possible`). It is asked only about what is not certainly possible: to import it takes
longer than to check a hundred tasks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from mypy.checker import TypeChecker
from mypy.constant_fold import constant_fold_expr
from mypy.errorcodes import ErrorCode
from mypy.nodes import (
    ARG_STAR2,
    CallExpr,
    Context,
    Decorator,
    DictExpr,
    Expression,
    FloatExpr,
    IntExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    OpExpr,
    RefExpr,
    Statement,
    StrExpr,
    TupleExpr,
    UnaryExpr,
    Var,
)
from mypy.types import Instance, TypedDictType, get_proper_type

from typedtasks.mypy_plugin import codes
from typedtasks.mypy_plugin.report import report
from typedtasks.mypy_plugin.site import Site, option
from typedtasks.mypy_plugin.statements import blocks_in

__all__ = [
    "Names",
    "check_call_options",
    "check_durations",
    "check_executor",
    "check_given_twice",
    "check_retry",
    "check_task_options",
    "is_certain",
]

_Named: TypeAlias = tuple[str, str, Expression | None]
"""The broker, the name, and where it stands."""
_UNKNOWN: Final = object()
_TASK_DURATIONS: Final = {"timeout": True, "soft_timeout": True, "result_ttl": True}
"""The durations among the options, and whether they have to be above zero."""
_CALL_DURATIONS: Final = {"delay": False, "timeout": True, "soft_timeout": True, "expires": True, "dedup_window": True}
_RETRY_DURATIONS: Final = {"backoff": False, "max_delay": False}
_CERTAIN: Final = 365 * 24 * 3600
"""A duration up to this is possible wherever one is."""
_CERTAIN_NAME: Final = re.compile(r"[\w.:/-]{1,64}")
_CERTAIN_QUEUE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CERTAIN_PRIORITIES: Final = frozenset({"high", "normal", "low"})
_TOGETHER: Final = frozenset({*_CALL_DURATIONS, "eta", "queue", "priority", "dedup_key"})
"""The options of which it is known which ones go together."""
_MADE: Final[dict[str, Callable[..., object]]] = {
    "builtins.float": float,
    "datetime.datetime": datetime,
    "datetime.datetime.now": datetime.now,
    "datetime.datetime.utcnow": datetime.now,  # neither has a zone
    "datetime.timedelta": timedelta,
}
_ASSUMED: Final[Mapping[str, object]] = {"eta": datetime.max.replace(tzinfo=UTC), "dedup_key": "key"}
"""What stands for options whose value is not known: that they are given may be all that matters."""


def check_task_options(checker: TypeChecker, call: CallExpr) -> None:
    """Report impossible options of `broker.task(...)`."""
    known = _checked(checker, call, _TASK_DURATIONS)
    raises = option(call, "raises")
    _check_repeated(checker, "raises", raises)
    for failure in raises.items if isinstance(raises, TupleExpr) else [raises]:
        if isinstance(failure, RefExpr) and failure.fullname == "typedtasks.errors.TaskError":
            report(checker, "raises= takes subclasses of TaskError, which have typed fields; name them", failure, codes.OPTION)
    name = known.get("name")
    if isinstance(name, str) and not _CERTAIN_NAME.fullmatch(name):
        from typedtasks.mypy_plugin import possible

        _say(checker, option(call, "name") or call, codes.NAME, possible.name_obstacle(name))
    together = {key: value for key, value in known.items() if key in ("timeout", "soft_timeout", "queue")}
    if together and not is_certain(together):
        from typedtasks.mypy_plugin import possible

        _say(checker, call, codes.OPTION, possible.task_obstacle(together))


def check_executor(site: Site) -> None:
    """Report an asynchronous function that is to run in a child process."""
    value, result = option(site.options, "executor"), site.result
    is_async = isinstance(result, Instance) and result.type.name in ("AsyncTask", "AsyncDepsTask")
    if is_async and isinstance(value, StrExpr) and value.value == "process":
        text = "executor='process' is for synchronous functions; write def in place of async def, or leave it out"
        report(site.checker, text, value, codes.OPTION)


def check_call_options(checker: TypeChecker, call: CallExpr) -> None:
    """Report impossible options of `task.options(...)`."""
    known = _checked(checker, call, _CALL_DURATIONS)
    for name, value in _ASSUMED.items():
        if option(call, name) is not None:
            known.setdefault(name, value)
    eta = known["eta"] if "eta" in known else _ASSUMED["eta"]
    if isinstance(eta, datetime) and eta.tzinfo is None:
        report(checker, "eta has no time zone; pass one, such as datetime.now(UTC)", option(call, "eta") or call, codes.OPTION)
        known["eta"] = _ASSUMED["eta"]
    if not is_certain(known):
        from typedtasks.mypy_plugin import possible

        _say(checker, call, codes.OPTION, possible.call_obstacle(known))


def is_certain(options: Mapping[str, object]) -> bool:
    """Return whether options of a task or a call are certainly possible together, each duration among them being so alone."""
    lengths = {name: _length(value) for name, value in options.items() if isinstance(value, (timedelta, float, int))}
    return (
        options.keys() <= _TOGETHER
        and not ("delay" in options and "eta" in options)
        and not ("dedup_window" in options and "dedup_key" not in options)
        and lengths.get("delay", 0) + 1 <= lengths.get("expires", math.inf)  # less than a second apart they may be rounded
        and lengths.get("soft_timeout", 0) < lengths.get("timeout", math.inf)
        and _has_zone(options.get("eta", _ASSUMED["eta"]))
        and _is_text(options.get("queue", "queue"), _CERTAIN_QUEUE)
        and _is_text(options.get("dedup_key", "key"), _CERTAIN_NAME)
        and options.get("priority", "normal") in _CERTAIN_PRIORITIES
    )


def check_retry(checker: TypeChecker, call: CallExpr) -> None:
    """Report impossible values in `Retry(...)`."""
    known = _checked(checker, call, _RETRY_DURATIONS)
    _check_repeated(checker, "on", option(call, "on"))
    for name, least, most in (("max_attempts", 1, 1000), ("factor", 1, 1000), ("jitter", 0, 1)):
        value = known.get(name)
        if isinstance(value, bool) or (isinstance(value, int | float) and not least <= value <= most):
            from typedtasks.mypy_plugin import possible

            _say(checker, option(call, name) or call, codes.OPTION, possible.retry_obstacle(name, value))


def check_durations(checker: TypeChecker, call: CallExpr, names: Sequence[str], *, positive: bool) -> None:
    """Report impossible durations among the arguments of any other call."""
    for name in names:
        value = option(call, name)
        if value is None and len(call.args) == 1 and call.arg_names == [None] and len(names) == 1:
            value = call.args[0]
        if value is not None:
            _is_possible(checker, name, value, _value(checker, value), positive=positive)


def check_given_twice(checker: TypeChecker, call: CallExpr) -> None:
    """Report options that stand in a call and in what follows `**` there."""
    given = {name for name in call.arg_names if name is not None}
    for kind, value in zip(call.arg_kinds, call.args, strict=True):
        for name in sorted(given & set(_keys(checker, value))) if kind == ARG_STAR2 else ():
            report(checker, f'The option "{name}" is given twice: by its name and by **', value, codes.OPTION)


class Names:
    """Which names the tasks of one module have. Knows one module at a time: they are checked one after the other."""

    def __init__(self) -> None:
        self._statements: list[Statement] = []
        self._named: dict[Decorator, list[_Named]] = {}
        self._first: dict[tuple[str, str], Decorator] = {}

    def check(self, site: Site) -> None:
        """Report a task whose name another one of the same broker and module has."""
        context = site.context
        if not isinstance(context, Decorator) or not site.broker:
            return
        if self._statements is not site.module.defs:
            self._read(site.module)
        named = self._named.get(context)
        for broker, name, place in _named(context, site.module) if named is None else named:
            first = self._first.get((broker, name), context)
            if broker == site.broker and first is not context:
                text = f'The name "{name}" is that of the task "{first.func.name}" already; give each task a name of its own'
                report(site.checker, text, place or site.place, codes.NAME)

    def _read(self, module: MypyFile) -> None:
        self._statements = module.defs
        self._named = {decorator: [*_named(decorator, module)] for decorator in _decorated(module.defs)}
        self._first = {}
        for decorator, named in self._named.items():
            for broker, name, _ in named:
                self._first.setdefault((broker, name), decorator)


def _named(decorator: Decorator, module: MypyFile) -> Iterator[_Named]:
    """Yield broker, name and where the name stands, for what looks like `@broker.task` and `@broker.task(...)`."""
    for expression in decorator.decorators:
        while isinstance(expression, CallExpr) and isinstance(expression.callee, MemberExpr) and expression.callee.name != "task":
            expression = expression.callee.expr  # .with_deps(Deps)
        task = expression.callee if isinstance(expression, CallExpr) else expression
        if isinstance(task, MemberExpr) and task.name == "task" and isinstance(task.expr, (NameExpr, MemberExpr)):
            written = option(expression, "name") if isinstance(expression, CallExpr) else None
            broker = task.expr.fullname or task.expr.name
            if isinstance(written, StrExpr):
                yield broker, written.value, written
            elif written is None:
                yield broker, f"{module.fullname}.{decorator.func.name}", None


def _decorated(statements: Sequence[Statement]) -> Iterator[Decorator]:
    """Yield the decorated functions at the top of a module, also those under `if`, `try` and `with`."""
    for statement in statements:
        if isinstance(statement, Decorator):
            yield statement
        for block in blocks_in(statement):
            yield from _decorated(block.body)


def _checked(checker: TypeChecker, call: CallExpr, durations: Mapping[str, bool]) -> dict[str, object]:
    """Report durations that are not possible. Return the values of the other options, as far as they are known."""
    known: dict[str, object] = {}
    for name, expression in zip(call.arg_names, call.args, strict=True):
        value = _value(checker, expression) if name is not None else _UNKNOWN
        if name is None or value is _UNKNOWN or value is None:
            continue
        if name not in durations or _is_possible(checker, name, expression, value, positive=durations[name]):
            known[name] = value
    return known


def _keys(checker: TypeChecker, mapping: Expression) -> list[str]:
    """Return the keys of what stands behind `**`, where they are known."""
    if isinstance(mapping, DictExpr):
        return [key.value for key, _ in mapping.items if isinstance(key, StrExpr)]
    node = mapping.node if isinstance(mapping, RefExpr) else None
    type = get_proper_type(node.type) if isinstance(node, Var) and node.type is not None else None
    return list(type.items) if isinstance(type, TypedDictType) else []


def _is_possible(checker: TypeChecker, name: str, expression: Expression, value: object, *, positive: bool) -> bool:
    """Return whether a value may be a duration, and report a number that may not. What is no number, mypy itself reports."""
    if not isinstance(value, (timedelta, float, int)):
        return False
    if not isinstance(value, bool) and 0 < _length(value) < _CERTAIN:
        return True
    from typedtasks.mypy_plugin import possible

    return not _say(checker, expression, codes.DURATION, possible.duration_obstacle(name, value, positive=positive))


def _length(duration: timedelta | float) -> float:
    """Return a duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


def _has_zone(value: object) -> bool:
    return isinstance(value, datetime) and value.tzinfo is not None


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _check_repeated(checker: TypeChecker, name: str, value: Expression | None) -> None:
    seen: set[str] = set()
    for item in value.items if isinstance(value, TupleExpr) else ():
        if isinstance(item, RefExpr) and item.fullname and item.fullname in seen:
            report(checker, f'"{item.fullname.rpartition(".")[2]}" is given twice in {name}=', item, codes.OPTION)
        seen.add(item.fullname if isinstance(item, RefExpr) else "")


def _say(checker: TypeChecker, place: Context, code: ErrorCode, obstacle: str | None) -> bool:
    if obstacle is not None:
        report(checker, obstacle, place, code)
    return obstacle is not None


def _value(checker: TypeChecker, expression: Expression) -> object:
    """Return the value of what is written as a literal, as arithmetic of them, or as a timedelta; `_UNKNOWN` for all else."""
    if isinstance(expression, (StrExpr, IntExpr, FloatExpr)):
        return expression.value
    if isinstance(expression, UnaryExpr) and expression.op == "-":
        inner = _value(checker, expression.expr)
        try:
            return -inner if isinstance(inner, float | int | timedelta) else _UNKNOWN
        except OverflowError:
            return _UNKNOWN
    if isinstance(expression, RefExpr) and expression.fullname in ("math.inf", "math.nan"):
        return math.inf if expression.fullname == "math.inf" else math.nan
    if isinstance(expression, CallExpr) and isinstance(expression.callee, RefExpr):
        return _called(checker, expression, _function_name(expression.callee))
    try:
        folded = constant_fold_expr(expression, checker.tree.fullname) if _is_simple(expression, checker.tree.fullname) else None
    except OverflowError:
        folded = None
    return _UNKNOWN if folded is None else folded


def _is_simple(expression: Expression, module: str) -> bool:
    """Return whether something can be computed in no time, and is what Python makes of it: mypy takes `+True` for `True`."""
    if isinstance(expression, OpExpr):
        sides = (expression.left, expression.right)
        if expression.op not in ("+", "-", "*", "/", "//", "%") or not all(_is_simple(side, module) for side in sides):
            return False
        return expression.op != "*" or not any(isinstance(constant_fold_expr(side, module), str) for side in sides)
    if isinstance(expression, UnaryExpr):
        return expression.op in ("-", "~") and _is_simple(expression.expr, module)
    return isinstance(expression, (IntExpr, FloatExpr, StrExpr, NameExpr))


def _function_name(callee: RefExpr) -> str:
    if isinstance(callee, MemberExpr) and not callee.fullname and isinstance(callee.expr, RefExpr):
        return f"{callee.expr.fullname}.{callee.name}"  # a method of a class
    return callee.fullname


def _called(checker: TypeChecker, call: CallExpr, function: str) -> object:
    make = _MADE.get(function)
    values = [_value(checker, argument) for argument in call.args] if make is not None else []
    if make is None or any(value is _UNKNOWN for value in values):
        return _UNKNOWN
    by_place = [value for value, name in zip(values, call.arg_names, strict=True) if name is None]
    by_name = {name: value for value, name in zip(values, call.arg_names, strict=True) if name is not None}
    try:
        return make(*by_place, **by_name)
    except (TypeError, ValueError, OverflowError):
        return _UNKNOWN
