"""The error codes of the plugin. `docs/mypy-plugin.md` has an example of each, and its fix."""

from __future__ import annotations

from typing import Final

from mypy.errorcodes import ErrorCode

__all__ = [
    "ALL",
    "ANY",
    "AWAITABLE",
    "CONTRACT",
    "DURATION",
    "INJECTED",
    "METHOD",
    "NAME",
    "OPTION",
    "OVERLOAD",
    "PORTABLE",
    "RAISES",
]

_CATEGORY: Final = "typedtasks"

PORTABLE: Final = ErrorCode("typedtasks-portable", "A parameter or result of a task cannot make the round trip", _CATEGORY)
ANY: Final = ErrorCode("typedtasks-any", "A parameter or result of a task has no type, or is Any", _CATEGORY, default_enabled=False)
INJECTED: Final = ErrorCode("typedtasks-injected", "A parameter of a task is injected in a way that cannot be seen", _CATEGORY)
RAISES: Final = ErrorCode(
    "typedtasks-raises", "A task raises a failure that raises= does not declare", _CATEGORY, default_enabled=False
)
METHOD: Final = ErrorCode("typedtasks-method", "A method, or what is no function, cannot be a task", _CATEGORY)
OVERLOAD: Final = ErrorCode("typedtasks-overload", "An overloaded function cannot be a task", _CATEGORY)
AWAITABLE: Final = ErrorCode("typedtasks-awaitable", "A synchronous function that returns an awaitable cannot be a task", _CATEGORY)
NAME: Final = ErrorCode("typedtasks-name", "A task's name is taken in its module, or cannot be one", _CATEGORY)
DURATION: Final = ErrorCode("typedtasks-duration", "A duration is not possible", _CATEGORY)
OPTION: Final = ErrorCode("typedtasks-option", "An option is given twice, contradicts another, or is not possible", _CATEGORY)
CONTRACT: Final = ErrorCode("typedtasks-contract", "A task breaks the committed contract", _CATEGORY)

ALL: Final = (PORTABLE, ANY, INJECTED, RAISES, METHOD, OVERLOAD, AWAITABLE, NAME, DURATION, OPTION, CONTRACT)
