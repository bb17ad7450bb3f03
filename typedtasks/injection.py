"""Injected parameters: the names are reserved, and say clearly that they are not available yet."""

from __future__ import annotations

from typing import NoReturn

from typedtasks.errors import DefinitionError

__all__ = ["Context", "Depends", "Injected"]


def _refuse(name: str) -> NoReturn:
    raise DefinitionError(
        f"{name} is not available yet: this version of typedtasks has no dependency injection. "
        "Open what the task needs inside the function, or hold it in an object that your module makes."
    )


class _NotYet(type):
    def __call__(cls, *args: object, **kwargs: object) -> NoReturn:
        _refuse(cls.__name__)

    def __getitem__(cls, item: object) -> NoReturn:
        _refuse(cls.__name__)


class Depends(metaclass=_NotYet):
    """Will mark a parameter that the worker fills in. Using it raises `DefinitionError` in this version."""


class Injected(metaclass=_NotYet):
    """Will mark a parameter that the worker fills in by its type. Using it raises `DefinitionError` in this version."""


class Context(metaclass=_NotYet):
    """Will give a task its own id, attempt and labels. Annotating with it raises `DefinitionError` in this version."""
