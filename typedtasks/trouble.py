"""What goes wrong again and again, in the log once: when it begins, and when it is over."""

from __future__ import annotations

from typing import Final

from typedtasks.logs import Log

__all__ = ["Trouble"]

_MOST: Final = 20
"""Different errors of one trouble that are said."""


class Trouble:
    """Says of something that is tried until it works what is wrong, once for each error, and that it works again.

    `works` is what is said then.
    """

    def __init__(self, log: Log, works: str) -> None:
        self._log = log
        self._works = works
        self._said: set[str] = set()

    def note(self, message: str, *arguments: object) -> None:
        """Log a warning; nothing more than a line for debugging where its last argument, the error, was said before."""
        error = str(arguments[-1])
        is_new = error not in self._said and len(self._said) < _MOST
        self._said.add(error)
        (self._log.warning if is_new else self._log.debug)(message, *arguments)

    def over(self) -> None:
        """Say that it works again, where it did not."""
        if self._said:
            self._said.clear()
            self._log.warning(self._works)
