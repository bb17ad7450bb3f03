"""How a command logs: text for people, JSON for machines; on standard error."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, TypeVar, cast

from typing_extensions import override

from typedtasks.errors import representation
from typedtasks.logs import block

__all__ = ["set_up_logging"]

_T = TypeVar("_T")

_OWN: Final = "typedtasks"
_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest is what the application has passed as `extra`."""
_NUMBERS: Final = 4000
"""Digits of a whole number that Python writes as text whatever its limits are."""
_LONGEST: Final = 10_000
"""Characters of one value, and values of one record, that are written."""
_DEEPEST: Final = 20


class _Lines(logging.Formatter):
    """Writes every record, whatever its message, its arguments and its exception do when they are shown."""

    def message(self, record: logging.LogRecord) -> str:
        """Return the message; where its arguments do not fit it, both."""
        try:
            return record.getMessage()
        except Exception:  # noqa: BLE001 - a record that is wrong is written as it is
            return f"{representation(record.msg)} % {representation(record.args)}"

    def details(self, record: logging.LogRecord) -> Iterator[tuple[str, str]]:
        """Yield the traceback of its exception and the stack, as far as it has them."""
        try:
            if record.exc_info and record.exc_info[0] is not None:
                yield "exception", self.formatException(record.exc_info)
            elif record.exc_text:
                yield "exception", record.exc_text
        except Exception:  # noqa: BLE001 - as above
            yield "exception", representation(record.exc_info)
        if record.stack_info:
            yield "stack", record.stack_info


class _JsonLines(_Lines):
    """In ASCII, so that no line end that some readers know, and no encoding of the stream, makes two lines or no JSON of one."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": self.message(record),
            **dict(self.details(record)),
        }
        for name, value in _Plain().fields(record):
            while name in (*line, "exception", "stack"):
                name += "_"
            line[name] = value
        return json.dumps(line)


class _TextLines(_Lines):
    """Lines that cannot steer a terminal, nor look like records of their own: what they say may come from anywhere."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        time = self.formatTime(record, "%H:%M:%S")
        texts = [self.message(record), *(text for _, text in self.details(record))]
        return block(f"{time} {record.levelname:<7} [{record.process}] " + "\n".join(texts))


class _Plain:
    """Makes of values what JSON has, however large or odd they are: a part is better than a line that is lost."""

    def __init__(self) -> None:
        self._left = _LONGEST
        self._path: list[int] = []

    def fields(self, record: logging.LogRecord) -> Iterator[tuple[str, object]]:
        """Yield what was passed as `extra`. The items of a mapping `fields` are fields themselves."""
        for name, value in list(vars(record).items()):
            if name in _RECORD:
                continue
            plain = self.value(value)
            if name == "fields" and isinstance(plain, dict):
                yield from cast("dict[str, object]", plain).items()
            else:
                yield str(name), plain

    def value(self, value: object) -> object:
        """Return one value."""
        self._left -= 1
        if self._left < 0 or len(self._path) > _DEEPEST:
            return "..."
        try:
            return self._converted(value)
        except Exception:  # noqa: BLE001 - it may be of a class that breaks every rule
            return representation(value)

    def _converted(self, value: object) -> object:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return _cut(str.__str__(value))
        if isinstance(value, int):
            return int(value) if value.bit_length() < _NUMBERS * 3 else hex(value)[:_LONGEST]
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if isinstance(value, bytes | bytearray):
            return _cut(bytes(value[:_LONGEST]).decode("utf-8", "backslashreplace"))
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._collection(cast("Collection[object]", value))
        return _cut(str(value))

    def _collection(self, value: Collection[object]) -> object:
        if id(value) in self._path:
            return "(itself)"
        self._path.append(id(value))
        try:
            if isinstance(value, Mapping):
                items = self._some(cast("Mapping[object, object]", value).items())
                return {str(self._key(key)): self.value(item) for key, item in items}
            return [self.value(item) for item in self._some(value)]
        finally:
            self._path.pop()

    def _some(self, items: Collection[_T]) -> Iterator[_T]:
        for item in items:
            if self._left <= 0:
                return
            yield item

    def _key(self, key: object) -> object:
        return key if isinstance(key, int | float) else self.value(key)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


class _LastResort(logging.StreamHandler[TextIO]):
    """Writes what no other handler would take, because an application has taken them all away."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            super().emit(record)


def set_up_logging(format: Literal["text", "json"], level: str) -> None:
    """Send the log of the whole process to standard error, one event a line.

    An application that configures logging gets what it asks for, and the records of typedtasks with it: at this level, unless it
    sets one for `typedtasks`, to its own handlers, or, where it leaves none, to standard error as before.
    """
    formatter = _JsonLines() if format == "json" else _TextLines()
    handler, last_resort = logging.StreamHandler(sys.stderr), _LastResort(sys.stderr)
    handler.setFormatter(formatter)
    last_resort.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if format == "json":
        logging.captureWarnings(True)
    own = logging.getLogger(_OWN)
    own.setLevel(level.upper())
    own.handlers = [last_resort, *(kept for kept in own.handlers if not isinstance(kept, _LastResort))]
