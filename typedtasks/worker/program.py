"""The program that the child processes of a worker run: this one again, with the same interpreter, module search path and log."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ChildProgram", "command_like_this", "is_main"]

_FLAGS: Final = {
    "optimize": "-O",
    "bytes_warning": "-b",
    "dont_write_bytecode": "-B",
    "no_user_site": "-s",
    "no_site": "-S",
    "ignore_environment": "-E",
    "isolated": "-I",
}
"""What of `sys.flags` decides how a program behaves, and the option that sets it. One that counts is given so many times."""

_PROGRAM: Final = """\
import sys
path, root = {path!a}, {root!a}
own = list(sys.path)
sys.path[:] = dict.fromkeys([*(() if root in own else (root,)), *own, *path])
import typedtasks.cli.worker
from typedtasks.cli import main
from typedtasks.cli.loading import import_early
import_early([folder for folder in path if folder not in own])
sys.path[:], sys.argv[0] = path, {name!a}
sys.exit(main())
"""
"""Run with `-P`, so that no folder comes before the standard library until that is imported: a project may have a file `queue.py`,
which came too late in the parent to be taken for Python's. Then the path is the parent's."""


def is_main(module: str) -> bool:
    """Return whether a module is the program that runs, under the name that it has there or in what multiprocessing spawns."""
    return module in ("__main__", "__mp_main__")


def command_like_this(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs `typedtasks` with these arguments in a process like this one.

    `python -m typedtasks` would put the working directory before the standard library, would not find what this program has added
    to its path, and would not run where typedtasks itself was found by such an addition.
    """
    path = [entry for entry in sys.path if isinstance(entry, str)]  # pyright: ignore[reportUnnecessaryIsInstance]  # Python skips others
    root = str(Path(__file__).parent.parent.parent)
    program = _PROGRAM.format(path=path, root=root, name=sys.argv[0])
    return (sys.executable, *_options(), "-c", program, *arguments)


def _options() -> Iterator[str]:
    yield "-P"
    for flag, option in _FLAGS.items():
        yield from [option] * int(getattr(sys.flags, flag))
    for warning in sys.warnoptions:
        yield f"-W{warning}"
    # There is no public way to see them, and multiprocessing does the same.
    for name, value in sys._xoptions.items():  # pyright: ignore[reportPrivateUsage]
        yield f"-X{name}" if value is True else f"-X{name}={value}"


@dataclass(frozen=True, slots=True)
class ChildProgram:
    """What children are told."""

    application: str
    """Where they find the broker, as `module:name`."""
    modules: Sequence[str] = ()
    """What they import besides, because tasks are defined there."""
    log: tuple[str, str] | None = None
    """The format and the level of their log. None: text, from the level of this process on."""

    def command(self) -> tuple[str, ...]:
        """Return the command that starts a child; it lacks where it answers."""
        format, level = self.log or ("text", _level())
        modules = [argument for module in self.modules for argument in ("--module", module)]
        return command_like_this("worker", self.application, *modules, "--log-format", format, "--log-level", level)


def _level() -> str:
    level = logging.getLogger().level
    return next((name for name in ("debug", "info", "warning") if level <= logging.getLevelNamesMapping()[name.upper()]), "error")
