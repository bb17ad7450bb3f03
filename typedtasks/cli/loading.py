"""Finding the broker that a command is to use."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from typedtasks.broker import Broker

__all__ = ["UsageError", "load_broker"]


class UsageError(Exception):
    """The command line asks for something that is not there. The text says what was looked for."""


def load_broker(target: str) -> Broker:
    """Return the broker named by `module:name`, looked for in the working directory and the installed packages.

    Raises `UsageError` when the module or the name is not there. An error inside the module is raised as it is.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(f"{target!r} does not name a broker: write module:name, for example app.tasks:broker.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise  # the module is there, and imports something that is not
        hint = f" There is a file {module_name}: leave out its ending." if module_name.endswith(".py") else ""
        raise UsageError(
            f"There is no module {error.name!r} (looked for {target!r} in {here} and the installed packages).{hint}"
        ) from None
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"The module {module_name!r} ({module.__file__}) has no {attribute!r}.{_brokers_in(module)}")
        found = getattr(found, part)
    if not isinstance(found, Broker):
        raise UsageError(f"{target!r} is a {type(found).__name__}, not a typedtasks.Broker.{_brokers_in(module)}")
    return found


def _brokers_in(module: object) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Broker)]
    return f" Brokers there: {', '.join(names)}." if names else " It defines no Broker at all."
