"""The classes behind the types of tasks: who uses them is checked again when they change."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mypy.checker import TypeChecker
from mypy.nodes import TypeInfo
from mypy.server.trigger import make_trigger, make_wildcard_trigger

from typedtasks.mypy_plugin.report import is_repetition

__all__ = ["Dependencies"]


class Dependencies:
    """What the modules of a program depend on, as its cache and its daemon have to know.

    The daemon takes from a plugin what a module depends on when the module itself has changed, and not when it checks it again for
    another one's sake. A class that comes up only then is followed by its file.
    """

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()
        """The modules, and the classes of which the daemon knows that these depend on them. It forgets none."""
        self._followed: dict[str, int] = {}
        """The files of other classes, and when each was changed."""

    def add(self, checker: TypeChecker, info: TypeInfo) -> None:
        """See to it that a module is checked again, from the cache and in the daemon, when a class changes."""
        module, name = checker.tree.fullname, info.fullname
        checker.module_refs.add(info.module_name)
        for trigger in (make_trigger(name), make_wildcard_trigger(name)):  # itself, and what it has
            checker.tree.plugin_deps.setdefault(trigger, set()).add(module)
        if not is_repetition(checker):
            self._known.add((module, name))
        elif (module, name) not in self._known:
            path = checker.modules[info.module_name].path
            self._followed.setdefault(path, _changed(path))

    def changed_files(self) -> Iterator[str]:
        """Yield the files that were changed of those that the daemon does not follow by itself."""
        yield from (path for path, changed in self._followed.items() if _changed(path) != changed)


def _changed(path: str) -> int:
    """Return when a file was changed, in nanoseconds; 0 for one that is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
