"""The hooks that mypy calls."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mypy.nodes import ARG_STAR2, CallExpr, TypeInfo
from mypy.options import Options
from mypy.plugin import FunctionContext, MethodContext, MethodSigContext, Plugin, ReportConfigContext
from mypy.types import FunctionLike, Instance, Type, get_proper_type

from typedtasks.mypy_plugin.dependencies import Dependencies
from typedtasks.mypy_plugin.form import check_failures, check_function, check_types
from typedtasks.mypy_plugin.injected import DEPS_CLASSES, TASK_CLASSES, injected_parameters, without_injected
from typedtasks.mypy_plugin.options import (
    Names,
    check_call_options,
    check_durations,
    check_executor,
    check_given_twice,
    check_retry,
    check_task_options,
)
from typedtasks.mypy_plugin.portable import Portability
from typedtasks.mypy_plugin.report import checker_of, is_attempt_refused, pass_of
from typedtasks.mypy_plugin.settings import Settings, SettingsError
from typedtasks.mypy_plugin.site import Site
from typedtasks.mypy_plugin.source import Sources

if TYPE_CHECKING:
    from typedtasks.mypy_plugin.drift import Drift

__all__ = ["TypedTasksPlugin", "snapshot"]

_BROKER: Final = "typedtasks.broker.Broker"
_WITHOUT_TASKS: Final = frozenset({"typedtasks", "pydantic", "pydantic_core", "redis", "rich", "markdown_it", "pygments"})
"""Packages of many files that nobody injects anything of: to read them takes longer than to check a hundred tasks.

They are what every program with tasks may import: this project, what it needs, and what those import. A module of such a name
elsewhere is somebody's own.
"""
_INSTALLED: Final = tuple(os.path.join(os.sep, name, "") for name in ("site-packages", "dist-packages"))
_OWN: Final = os.path.join(Path(__file__).parents[1], "")
_TYPESHED: Final = os.path.join("mypy", "typeshed", "")
_OPTIONS: Final = [f"{name}.options" for name in ("typedtasks.task.Task", *TASK_CLASSES, *DEPS_CLASSES)]

_started: list[TypedTasksPlugin] = []
"""The plugins of this process, for `snapshot`: mypy asks the module, not the object, whether something has changed."""


def snapshot() -> str:
    """Return a text that changes when the plugin does, or a file that it has read in this process."""
    changed = (path for one in _started for path in one.changed_files())
    return " ".join((_own_digest(), *sorted(changed)))


class TypedTasksPlugin(Plugin):
    """Takes injected parameters out of what `enqueue` takes, and reports what could not be a task."""

    # mypy calls a plugin's methods some 100,000 times in a program, and each call would look into a __dict__ first.
    __slots__ = (
        "_contract",
        "_dependencies",
        "_drift",
        "_names",
        "_of_methods",
        "_pass",
        "_portability",
        "_same_everywhere",
        "_settings",
        "_sources",
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        try:
            self._settings = Settings.read(options.config_file)
            self._drift = _drift(self._settings.contract)
        except SettingsError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(2)
        options.enabled_error_codes |= self._settings.enabled
        self._sources = Sources(dict(options.shadow_file or ()))
        self._dependencies = Dependencies()
        self._names = Names()
        self._pass: object = None
        self._portability: Portability
        self._same_everywhere = ",".join((_own_digest(), *sorted(code.code for code in self._settings.enabled), ""))
        self._contract = _digest(self._settings.contract)
        self._of_methods: Mapping[str, Callable[[MethodContext], Type]] = {
            **dict.fromkeys(_OPTIONS, _options),
            "typedtasks.handle.TaskHandle.result": _wait,
            "typedtasks.handle.TaskHandle.outcome": _wait,
            "typedtasks.decorator.TaskDecorator.__call__": self._make_task,
            "typedtasks.decorator.DepsDecorator.__call__": self._make_task,
        }
        _started.append(self)

    def report_config_data(self, ctx: ReportConfigContext) -> str | None:
        """Return what else a module depends on besides its source; it is a part of what those who import it depend on."""
        is_installed = ctx.path.startswith(_OWN) or any(folder in ctx.path for folder in _INSTALLED)
        if _TYPESHED in ctx.path or (is_installed and ctx.id.partition(".")[0] in _WITHOUT_TASKS):
            return None
        data = self._same_everywhere + self._sources.digest(ctx.path, whole=not is_installed)
        return data + self._contract if self._contract and self._sources.mentions(ctx.path, b"task") else data

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Return what is done with a call of a method."""
        if fullname.endswith(".task"):
            return self._task if self._is_broker(fullname.removesuffix(".task")) else None
        return self._of_methods.get(fullname)

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return what is done before mypy looks at the arguments. Not for `Broker.task`: it would be done for each overload."""
        return _OF_SIGNATURES.get(fullname)

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Return what is done with a call of a class."""
        return _OF_CLASSES.get(fullname)

    def changed_files(self) -> list[str]:
        """Return the files outside of mypy's sight whose content is no longer what was read."""
        files = [*self._sources.changed_files(), *self._dependencies.changed_files()]
        if self._settings.contract is not None and _digest(self._settings.contract) != self._contract:
            files.append(str(self._settings.contract))
        return files

    def _is_broker(self, fullname: str) -> bool:
        if fullname == _BROKER:
            return True
        symbol = self.lookup_fully_qualified(fullname)
        return symbol is not None and isinstance(symbol.node, TypeInfo) and symbol.node.has_base(_BROKER)

    def _task(self, ctx: MethodContext) -> Type:
        result = get_proper_type(ctx.default_return_type)
        if isinstance(result, Instance) and result.type.fullname == "typedtasks.decorator.TaskDecorator":
            if isinstance(ctx.context, CallExpr):
                check_task_options(checker_of(ctx.api), ctx.context)
            return ctx.default_return_type
        return self._make_task(ctx)

    def _make_task(self, ctx: MethodContext) -> Type:
        site = None if is_attempt_refused(checker_of(ctx.api)) else Site.of(ctx)
        if site is None:
            return ctx.default_return_type
        if self._pass is not pass_of(site.checker):
            self._pass = pass_of(site.checker)
            self._sources.begin(site.checker)
            self._portability = Portability(site.checker, self._sources, self._dependencies)
        self._names.check(site)
        if not check_function(site):
            return ctx.default_return_type
        injected = injected_parameters(site, self._sources)
        check_types(site, injected, self._portability, self._sources)
        check_failures(site, self._dependencies)
        check_executor(site)
        if self._drift is not None:
            self._drift.check(site, injected, self._dependencies)
        return without_injected(site, injected)


def _look_for_repetition(ctx: MethodSigContext) -> FunctionLike:
    if isinstance(ctx.context, CallExpr) and ARG_STAR2 in ctx.context.arg_kinds:
        check_given_twice(checker_of(ctx.api), ctx.context)
    return ctx.default_signature


def _options(ctx: MethodContext) -> Type:
    if isinstance(ctx.context, CallExpr):
        check_call_options(checker_of(ctx.api), ctx.context)
    return ctx.default_return_type


def _wait(ctx: MethodContext) -> Type:
    if isinstance(ctx.context, CallExpr):
        check_durations(checker_of(ctx.api), ctx.context, ["timeout"], positive=False)
    return ctx.default_return_type


def _retry(ctx: FunctionContext) -> Type:
    if isinstance(ctx.context, CallExpr):
        check_retry(checker_of(ctx.api), ctx.context)
    return ctx.default_return_type


def _broker(ctx: FunctionContext) -> Type:
    if isinstance(ctx.context, CallExpr):
        check_durations(checker_of(ctx.api), ctx.context, ["result_ttl"], positive=True)
    return ctx.default_return_type


_OF_SIGNATURES: Final[Mapping[str, Callable[[MethodSigContext], FunctionLike]]] = dict.fromkeys(_OPTIONS, _look_for_repetition)
_OF_CLASSES: Final[Mapping[str, Callable[[FunctionContext], Type]]] = {"typedtasks.retry.Retry": _retry, _BROKER: _broker}
"""What is done with some calls. mypy asks about each call of a program, so these answers are made once."""


def _drift(contract: Path | None) -> Drift | None:
    """Return what compares tasks with the contract. Without one its reader need not be imported."""
    if contract is None:
        return None
    from typedtasks.mypy_plugin.drift import Drift

    return Drift(contract)


@functools.cache
def _own_digest() -> str:
    """Return a digest of the plugin's own source: mypy looks at the first module only."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _digest(path: Path | None) -> str:
    """Return a digest of a file; nothing for one that cannot be read, or none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None else ""
    except OSError:
        return ""
