"""How the plugin reports an error, and what it asks of mypy besides its plugin interface."""

from __future__ import annotations

from typing import cast

from mypy.checker import DEFAULT_LAST_PASS, TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.nodes import Context
from mypy.plugin import CheckerPluginInterface

__all__ = ["checker_of", "is_attempt_refused", "is_enabled", "is_repetition", "pass_of", "report"]


def checker_of(api: CheckerPluginInterface) -> TypeChecker:
    """Return the checker of the present module: the interface has no access to modules and errors."""
    return cast("TypeChecker", api)


def is_enabled(checker: TypeChecker, code: ErrorCode) -> bool:
    """Return whether an error with this code would be shown."""
    options = checker.options
    return code in options.enabled_error_codes or (code.default_enabled and code not in options.disabled_error_codes)


def is_attempt_refused(checker: TypeChecker) -> bool:
    """Return whether mypy has found already that the overload which it tries at present does not fit."""
    innermost = next(checker.msg.errors.get_watchers(), None)
    return innermost is not None and innermost.has_new_errors()


def pass_of(checker: TypeChecker) -> object:
    """Return what is another object whenever mypy checks a module again: what was found before may not hold any more."""
    return checker.scope


def is_repetition(checker: TypeChecker) -> bool:
    """Return whether the daemon checks a part of a module again, for another one's sake: mypy allows itself more passes then."""
    return checker.last_pass > DEFAULT_LAST_PASS


def report(checker: TypeChecker, text: str, place: Context, code: ErrorCode) -> None:
    """Report an error at a place of the present module.

    `Broker.task` is overloaded, and mypy tries each overload with errors held back: one that is reported there would count
    against the overload, and be lost. So it is reported outside of the attempts. The same error of two attempts is shown once.
    """
    watchers = list(checker.msg.errors.get_watchers())
    for watcher in watchers:
        watcher.__exit__(None, None, None)
    try:
        checker.fail(text, place, code=code)
    finally:
        for watcher in reversed(watchers):
            watcher.__enter__()
