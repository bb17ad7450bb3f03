"""Finding the broker that a command is to use."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final

from typedtasks.broker import Broker
from typedtasks.errors import TypedTasksError
from typedtasks.logs import Log

__all__ = ["UsageError", "import_early", "import_others", "load_broker"]

_NEEDED_LATER: Final = ("typedtasks.backends.memory", "typedtasks.backends.redis", "typedtasks.backends.sqlite")

_log = Log("typedtasks.worker")


class UsageError(Exception):
    """The command line asks for something that is not there. The text says what was looked for."""


def import_early(folders: Sequence[str]) -> None:
    """Import what typedtasks needs later, before folders are looked into that have a file with the name of a module of Python.

    A project may call its own `queue.py`, `tempfile.py` or `secrets.py` what it likes, as long as it means its own by it.
    """
    for folder in folders:
        with suppress(OSError):  # it is not there, or no folder: a zip is one program, which has its modules in its hands
            if sys.stdlib_module_names.intersection(name.removesuffix(".py") for name in os.listdir(folder or ".")):
                for module in _NEEDED_LATER:
                    importlib.import_module(module)
                return


def import_others(modules: Sequence[str]) -> None:
    """Import modules in which a broker's tasks are defined, too. What cannot be imported is logged: it may not be needed."""
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the module raises
            _log.warning("The module %r cannot be imported here, and its tasks cannot be run: %s", module, _said(error))


def load_broker(target: str, *, finds_here: bool = True) -> Broker:
    """Return the broker named by `module:name`, looked for in the working directory (`finds_here`) and where Python looks.

    Raises `UsageError` when the module or the name is not there, or the module raises an error of its own.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(f"{target!r} does not name a broker: write module:name, for example app.tasks:broker.")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise UsageError(f"{module_name!r} is not the name of a module: write it with dots, for example app.tasks:broker.")
    here = str(Path.cwd())
    if finds_here and here not in sys.path:
        import_early([here])
        sys.path.insert(0, here)
    module = _imported(target, module_name, here)
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"The module {module_name!r} ({module.__file__}) has no {attribute!r}.{_brokers_in(module)}")
        found = getattr(found, part)
    if not isinstance(found, Broker):
        raise UsageError(f"{target!r} is a {type(found).__name__}, not a typedtasks.Broker.{_brokers_in(module)}")
    return found


def _imported(target: str, module_name: str, here: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except TypedTasksError:
        raise  # it says itself what is wrong
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the module raises, the user is told which module and how
        if isinstance(error, ModuleNotFoundError) and (module_name + ".").startswith(f"{error.name}."):
            hint = f" There is a file {module_name}: leave out its ending." if module_name.endswith(".py") else ""
            raise UsageError(
                f"There is no module {error.name!r} (looked for {target!r} in {here} and the installed packages).{hint}"
            ) from None
        raise UsageError(
            f"The module {module_name!r} cannot be imported: {_said(error)}{_place(error)} "
            f'All of the traceback: python -c "import {module_name}".'
        ) from None


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text.removesuffix('.')}" if text else type(error).__name__


def _place(error: BaseException) -> str:
    """Return where it went wrong: the last line that is the user's, as far as one is."""
    if isinstance(error, SyntaxError):
        return "."  # it says its place itself
    frames = traceback.extract_tb(error.__traceback__)
    places = [frame for frame in frames if Path.cwd() in Path(frame.filename).parents and "site-packages" not in frame.filename]
    place = (places or frames)[-1]
    return f" ({place.filename}:{place.lineno})."


def _brokers_in(module: object) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Broker)]
    return f" Brokers there: {', '.join(names)}." if names else " It defines no Broker at all."
