"""The log of typedtasks: heard whatever an application does with logging, and without lines that others could forge."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from typedtasks.errors import one_line, representation

__all__ = ["CONTINUED", "Log", "block"]

CONTINUED: Final = "    | "
"""What every line of a log begins with that is not the first of its record."""


class Log:
    """Writes to the logger of a name.

    `logging.config.dictConfig` and `fileConfig` disable all loggers that were there before, unless they are told otherwise: that
    would silence deaths and failures because an application has configured its own log. So this one enables its logger again.
    A level that is set for `typedtasks` holds, as it does for every logger. Texts that come from elsewhere (names, exceptions) are
    escaped here, because the application's formatter would not.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, text: str, *values: object) -> None:
        """Log what only helps to find a mistake."""
        self._write(logging.DEBUG, text, values)

    def info(self, text: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
        """Log what is as it should be."""
        self._write(logging.INFO, text, values, extra)

    def warning(self, text: str, *values: object, extra: Mapping[str, object] | None = None) -> None:
        """Log what an operator should see."""
        self._write(logging.WARNING, text, values, extra)

    def error(self, text: str, *values: object, exc_info: BaseException | None = None) -> None:
        """Log what an operator should mend, with the traceback of an error where there is one."""
        self._write(logging.ERROR, text, values, error=exc_info)

    def exception(self, text: str, *values: object) -> None:
        """Log the error that is being handled, with its traceback."""
        self._write(logging.ERROR, text, values, error=True)

    def _write(
        self,
        level: int,
        text: str,
        values: tuple[object, ...],
        extra: Mapping[str, object] | None = None,
        error: BaseException | bool | None = None,
    ) -> None:
        self._logger.disabled = False
        if self._logger.isEnabledFor(level):
            self._logger.log(level, text, *map(_harmless, values), exc_info=error, extra=extra, stacklevel=3)


def block(text: str) -> str:
    """Return the text of a record: what could steer a terminal is escaped, and every line but the first says that it is none."""
    first, *others = map(one_line, text.split("\n"))
    return "\n".join([first, *(line if line.startswith(CONTINUED) else CONTINUED + line for line in others)])


def _harmless(value: object) -> object:
    if isinstance(value, int | float):
        return value
    try:
        return block(str(value))
    except Exception:  # noqa: BLE001 - whatever cannot be shown is still spoken of
        return block(representation(value))
